import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrestore.training import pairs

PLAIN = {"mode": "vanilla", "mismatched": 0.0, "identity": 0.0, "cutmix": 0.0}
TARGET = jax.random.uniform(jax.random.key(0), (4, 16, 16, 3))
BATCH = {
    "target": TARGET,
    "restored": TARGET * 0.9,
    "degraded": TARGET * 0.5,
    "key": jax.random.key(1),
}


def judged(**weights):
    """The loss, and the images that a discriminator with constant logits was shown."""
    seen = []

    def judge(image, stats):
        seen.append(image)
        return jnp.zeros((4, 4, 4, 1)), stats + 1

    loss, stats, _, _ = pairs.discriminator_loss({**PLAIN, **weights}, judge, BATCH, 0)
    assert stats == len(seen)  # the statistics passed through every call
    return float(loss), seen


@pytest.mark.parametrize(
    ("pair", "cost"),
    [("mismatched", np.log(2)), ("identity", np.log(2)), ("cutmix", np.log(2) / 2)],
)
def test_a_mixed_pair_adds_its_weighted_contest(pair, cost):
    # A discriminator that calls everything even pays log 2 a contest.
    base, shown = judged()
    assert base == pytest.approx(np.log(2)) and len(shown) == 2
    loss, shown = judged(**{pair: 0.25})
    assert loss - base == pytest.approx(0.25 * cost, abs=1e-6)
    assert len(shown) == 3


def test_pairs_are_shown_what_their_names_say():
    _, shown = judged(mismatched=1.0, identity=1.0)
    np.testing.assert_array_equal(shown[0], BATCH["target"])
    np.testing.assert_array_equal(shown[1], BATCH["restored"])
    np.testing.assert_array_equal(shown[2][1:], BATCH["target"][:-1])
    np.testing.assert_array_equal(shown[2][0], BATCH["target"][-1])
    np.testing.assert_array_equal(shown[3], BATCH["degraded"])


def test_cutmix_is_judged_by_what_each_patch_shows():
    _, is_real = pairs.cutmix(BATCH)
    # Logits that know: +9 where the target shows, -9 elsewhere, at full resolution.
    knows = jnp.where(is_real, 9.0, -9.0)

    def judge(image, stats):
        return knows, stats

    right, *_ = pairs.discriminator_loss({**PLAIN, "cutmix": 1.0}, judge, BATCH, 0)
    base, *_ = pairs.discriminator_loss(PLAIN, judge, BATCH, 0)
    assert float(right - base) < 1e-3


def test_cutmix_marks_the_pixels_that_show_the_target():
    shape = (8, 16, 16, 3)
    batch = {
        "target": jnp.ones(shape),
        "restored": jnp.zeros(shape),
        "key": jax.random.key(0),
    }
    image, is_real = pairs.cutmix(batch)
    np.testing.assert_array_equal(image, jnp.broadcast_to(is_real, shape))
    areas = np.asarray(is_real).mean((1, 2, 3))
    assert areas.min() < 0.3 and areas.max() > 0.6
    for mark in np.asarray(is_real)[..., 0]:
        rows, columns = np.nonzero(mark)
        if len(rows):
            box = mark[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
            assert box.all()
