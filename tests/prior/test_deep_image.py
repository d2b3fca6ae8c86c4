from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrestore import errors, images
from jaxrestore.fitting import state
from jaxrestore.prior import deep_image, fits, stopping, tasks

TINY = tasks.Task(40, 0.03, 2, (4,), (0,))
LONG = 5000
GREY = np.full((2, 4, 4, 1), 0.5, np.float32)


class Scripted:
    """Fits that go as they are told: the error held out, by picture and interval.

    The image of an interval is its number, in hundredths.
    """

    def __init__(self, held_out):
        """`held_out` is [intervals, pictures]; None raises, NaN diverges."""
        self.held_out, self.interval, self.asked = held_out, 0, []

    def begin(self, pictures):
        """Returns fits that have seen nothing."""
        self.shape = pictures.degraded.shape
        return fits.Fit(
            state.Network({}, {}, (), 0, 0), jnp.zeros(self.shape), jnp.zeros(())
        )

    def advance(self, fit, pictures, start, active):
        """Returns the next interval."""
        self.asked.append((int(start), [bool(one) for one in active]))
        row = self.held_out[self.interval]
        self.interval += 1
        if row is None:
            raise RuntimeError("RESOURCE_EXHAUSTED: out of memory")
        image = jnp.full(self.shape, self.interval / 100)
        held = jnp.asarray(row, jnp.float32)
        nothing = jnp.zeros(len(held))
        return fit._replace(average=image), fits.Found(held, held, image, held, nothing)


@pytest.fixture
def scripted(monkeypatch):
    """`scripted(rows)` makes all fits go so."""

    def use(rows):
        script = Scripted(rows)
        monkeypatch.setattr(fits, "program", lambda *arguments: script)
        return script

    return use


def _restore(degraded: Any = GREY, **options):
    given = {"task": TINY._replace(iterations=LONG), "interval": 100, **options}
    return deep_image.restore(jnp.asarray(degraded), **given)


def _falling_and_rising(best, intervals=20):
    return [1 + abs(n - best) for n in range(intervals)]


def test_each_fit_ends_by_its_rule_with_its_best_image(scripted):
    courses = _falling_and_rising(2), _falling_and_rising(6)
    script = scripted([*zip(*courses, strict=True)])
    result = _restore()
    assert result.ended == ["rule", "rule"]
    assert result.iterations == [300, 700]
    np.testing.assert_allclose(result.images[:, 0, 0, 0], [0.03, 0.07])
    patience = stopping.rule("held_out").patience
    assert script.asked[-1] == (700 + patience - 100, [False, True])


def test_a_number_of_iterations_is_made_and_the_last_average_returned(scripted):
    script = scripted([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]])
    result = _restore(iterations=250)
    assert [start for start, _ in script.asked] == [0, 100, 200]
    assert result.iterations == [300, 300] and result.ended == ["iterations"] * 2
    np.testing.assert_allclose(result.images, 0.03)


def test_whoever_watches_is_told_and_can_end_the_fits(scripted):
    script = scripted([[3.0, 3.0], [2.0, 4.0], [1.0, 5.0]])
    seen = []

    def watch(now):
        seen.append((now.iteration, now.most, len(now.records[1]), now.active))
        return now.iteration == 200

    result = _restore(progress=watch)
    assert seen == [(100, LONG, 1, [True] * 2), (200, LONG, 2, [True] * 2)]
    assert len(script.asked) == 2
    assert result.ended == ["asked", "asked"] and result.iterations == [200, 100]


@pytest.mark.parametrize(
    ("row", "kind", "words"),
    [
        (None, deep_image.FitMemoryError, "out of memory while fitting"),
        ([1.0, np.nan], deep_image.FitError, "picture 1 .* from iteration 200 on"),
    ],
)
def test_an_error_on_the_way_holds_the_best_images(scripted, row, kind, words):
    scripted([[2.0, 2.0], [3.0, 1.0], row])
    with pytest.raises(kind, match=words) as caught:
        _restore()
    assert caught.value.result.iterations[1] == 200
    np.testing.assert_allclose(caught.value.result.images[1], 0.02)


def test_an_error_in_the_first_interval_holds_nothing(scripted):
    scripted([None])
    with pytest.raises(deep_image.FitMemoryError) as caught:
        _restore()
    assert caught.value.result is None


def test_pixels_that_are_known_come_back_as_they_are(scripted):
    scripted([[1.0, 1.0]])
    degraded = np.random.default_rng(0).random((2, 4, 4, 1), np.float32)
    mask = np.zeros((2, 4, 4, 1), np.float32)
    mask[:, 1] = 1
    result = _restore(degraded, task="inpaint", mask=jnp.asarray(mask), iterations=100)
    np.testing.assert_array_equal(result.images[mask == 0], degraded[mask == 0])
    np.testing.assert_allclose(result.images[mask == 1], 0.01)


@pytest.mark.parametrize(("side", "share"), [(2, (0.25, 0.25)), (60, (0.04, 0.06))])
def test_a_twentieth_of_the_known_pixels_is_held_out_and_at_least_one(side, share):
    known = jnp.ones((side, side, 1)).at[0].set(0 if side > 2 else 1)
    held = deep_image._held(jax.random.key(1), known)
    assert share[0] <= held.sum() / known.sum() <= share[1]
    assert (known - held).min() == 0 and held.max() == 1


ONE = jnp.ones((2, 4, 4, 1))
REFUSED = [
    ({"iterations": 0}, "`iterations` is 0; it must be 'auto' or a whole"),
    ({"iterations": "soon"}, "`iterations` is 'soon'"),
    ({"interval": 0}, "`interval` is 0; it must be a whole number"),
    ({"stop": "loss"}, "cannot be stopped by 'loss'"),
    ({"task": "inpaint"}, "give `mask`"),
    ({"mask": ONE[:1]}, r"`mask` has the shape \(1, 4, 4, 1\)"),
    ({"mask": ONE}, "nothing to go by"),
    ({"operator": tasks.downsampling(2)}, r"makes \(2, 2, 2, 1\).*`size`"),
    ({"size": (8, 8)}, r"makes \(2, 8, 8, 1\)"),
]


@pytest.mark.parametrize(("options", "words"), REFUSED)
def test_what_cannot_be_meant_is_refused(options, words):
    with pytest.raises(errors.ConfigError, match=words):
        _restore(**options)


def test_a_picture_that_is_not_finite_is_refused():
    with pytest.raises(images.ImageError, match="not finite"):
        _restore(np.full((1, 4, 4, 1), np.nan, np.float32))


def test_a_fit_comes_near_its_picture_whatever_stands_beside_it():
    rows = np.linspace(0.2, 0.8, 7, dtype=np.float32)[:, None, None]
    degraded = jnp.asarray(np.stack([rows.repeat(6, 1), 1 - rows.repeat(6, 1)]))
    options = {"task": TINY, "iterations": 60, "interval": 30}
    seen = []
    options["progress"] = lambda now: seen.append(now.records[0][-1].loss)
    result = deep_image.restore(degraded, key=jax.random.key(3), **options)
    assert result.images.shape == degraded.shape
    assert seen[1] < 0.5 * seen[0]
    assert np.square(result.images - degraded).mean() < 0.03
    again = deep_image.restore(degraded, key=jax.random.key(3), **options)
    np.testing.assert_array_equal(result.images, again.images)
    turned = deep_image.restore(degraded[::-1], key=jax.random.key(3), **options)
    assert (turned.images[1] != result.images[0]).any()
