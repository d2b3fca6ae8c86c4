import functools
import inspect
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from skimage import measure

from jaxrestore import images
from jaxrestore.degradations import holes

KEYS = 256
BOX, STROKES = {"box": 1.0}, {"strokes": 1.0}


def _damage(shape=(32, 32, 3), keys=KEYS, **options):
    damage = functools.partial(holes.damage, **options)
    keys = jax.random.split(jax.random.key(0), keys)
    damaged = jax.jit(jax.vmap(damage, (0, None)))(keys, _image(shape))
    return [np.asarray(part) for part in damaged]


@functools.cache
def _masks(kind):
    """The masks of one kind at side 32, [k, 32, 32], the same keys for each."""
    return _damage(kinds={kind: 1.0})[1][..., 0]


def _image(shape=(32, 32, 3)):
    return jnp.asarray(np.random.default_rng(0).random(shape, np.float32))


@pytest.mark.parametrize("channels", [1, 3])
def test_outside_of_the_hole_no_bit_changes_and_inside_there_is_the_fill(channels):
    shape = (20, 24, channels)
    degraded, mask = _damage(shape, keys=8, kinds=BOX, fill=0.25)
    assert degraded.shape == (8, 20, 24, channels + 1)
    assert mask.shape == (8, 20, 24, 1) and mask.dtype == np.float32
    np.testing.assert_array_equal(degraded[..., channels:], mask)
    assert set(np.unique(mask)) == {0, 1}
    hole = np.broadcast_to(mask == 1, (8, *shape))
    before = np.broadcast_to(_image(shape), hole.shape)
    assert (degraded[..., :channels][hole] == 0.25).all()
    np.testing.assert_array_equal(degraded[..., :channels][~hole], before[~hole])


def test_a_box_is_a_rectangle_of_the_stated_sides():
    masks = _masks("box")
    assert set(np.unique(masks)) == {0, 1}
    heights, widths = masks.any(2).sum(1), masks.any(1).sum(1)
    np.testing.assert_array_equal(masks.sum((1, 2)), heights * widths)
    # 0.375 and 0.5 of 32 px.
    for sides in (heights, widths):
        assert sides.min() == 12 and sides.max() == 16
    # The mean of independent sides, 0.4375; deviation of the mean of 256: 0.0014.
    assert masks.mean() == pytest.approx(0.4375**2, abs=0.006)
    assert abs(np.corrcoef(heights, widths)[0, 1]) < 0.25


def test_boxes_lie_anywhere_also_at_the_borders():
    masks = _masks("box").astype(bool)
    for border in (masks[:, 0], masks[:, -1], masks[:, :, 0], masks[:, :, -1]):
        # 1 of 17 to 21 places touches a border.
        assert 0.01 < border.any(1).mean() < 0.13
    centre = np.argwhere(masks)[:, 1:].mean(0)
    np.testing.assert_allclose(centre, 15.5, atol=1)


def test_the_share_of_a_box_follows_the_image():
    _, mask = _damage((20, 40, 3), keys=4, kinds=BOX, box=1.0)
    assert mask.all()
    _, mask = _damage((20, 40, 3), keys=4, kinds=BOX, box=0.5)
    assert (mask.any(2).sum((1, 2)) == 10).all() and (mask.any(1).sum(1) == 20).all()


@functools.cache
def _oblong():
    # 12 px of 256 are 0.75 px here, which are drawn as 1.
    made = _damage((16, 48, 1), kinds=STROKES, count=1.0, width=12.0)
    return made[1][..., 0]


def test_one_stroke_is_in_one_piece():
    for mask in _oblong():
        assert mask.any() and np.asarray(measure.label(mask, connectivity=2)).max() == 1


def test_strokes_favour_no_side_of_an_oblong_image():
    rows, columns = _oblong().mean((0, 2)), _oblong().mean((0, 1))
    # Without mirroring they would lean right; with axes confused, end at column 16.
    assert columns[:24].sum() / columns.sum() == pytest.approx(0.5, abs=0.1)
    assert rows[:8].sum() / rows.sum() == pytest.approx(0.5, abs=0.1)
    assert columns.min() > 0.2 * columns.max()


@pytest.mark.slow
def test_strokes_cover_a_plausible_share():
    shares = _masks("strokes").mean((1, 2))
    # A stroke of 7.5 segments of 5.7 px is 42 px long, 3.25 px wide: 138 of 1024 px.
    # It crosses itself at every turn; there are 1 to 3.
    assert 0.08 < shares.mean() < 0.27
    assert shares.min() > 0 and shares.max() < 0.7


@pytest.mark.slow
def test_the_width_of_strokes_scales_with_the_side():
    large = _damage((64, 64, 1), kinds=STROKES)[1]
    assert large.mean() == pytest.approx(_masks("strokes").mean(), rel=0.05)


@pytest.mark.slow
def test_kinds_are_drawn_by_weight_and_both_is_the_box_and_the_strokes():
    masks = _damage(kinds={"box": 3.0, "both": 1.0})[1][..., 0]
    both = np.maximum(_masks("box"), _masks("strokes"))
    is_box = (masks == _masks("box")).all((1, 2))
    np.testing.assert_array_equal(masks[~is_box], both[~is_box])
    # 256 draws: one standard deviation is 0.027; few strokes hide behind the box.
    assert is_box.mean() == pytest.approx(0.75, abs=0.1)


def _folder(tmp_path, *masks):
    for index, mask in enumerate(masks):
        grey = np.where(mask, 255, 0).astype(np.uint8)[..., None]
        images.encode(grey, tmp_path / f"{index}.png")
    (tmp_path / "notes.txt").write_text("not a mask")
    return str(tmp_path)


def test_masks_of_a_folder_are_chosen_and_mirrored(tmp_path):
    corner, edge = np.zeros((2, 4, 6), bool)
    corner[0, 0], edge[1] = True, True
    folder = _folder(tmp_path, corner, edge)
    _, mask = _damage((8, 12, 3), keys=64, kinds={"masks": 1.0}, masks=folder)
    found = {one.tobytes() for one in mask[:, ::2, ::2, 0]}
    both = [
        m[::up, ::left] for m in (corner, edge) for up in (1, -1) for left in (1, -1)
    ]
    assert found == {one.astype(np.float32).tobytes() for one in both}
    # Twice the size: every pixel of the file has become a block.
    np.testing.assert_array_equal(mask[:, ::2, ::2], mask[:, 1::2, 1::2])


def test_masks_need_a_folder_that_holds_some(tmp_path):
    with pytest.raises(ValueError, match="option masks"):
        _damage(kinds={"masks": 1.0})
    for empty in (tmp_path, tmp_path / "missing"):
        with pytest.raises(ValueError, match="holds no masks"):
            _damage(kinds={"masks": 1.0}, masks=str(empty))


def test_too_many_masks_are_refused(tmp_path, monkeypatch):
    folder = _folder(tmp_path, *np.zeros((3, 4, 4), bool))
    monkeypatch.setattr(holes, "_MOST_BYTES", 2 * 32 * 32)
    with pytest.raises(ValueError, match="3 masks, and at most 2 of 32x32 px"):
        _damage(kinds={"masks": 1.0}, masks=folder)


@pytest.mark.parametrize(
    ("kinds", "message"),
    [
        ({"boxes": 1.0}, "takes {word: weight} of box, strokes, both"),
        ({"box": -1.0}, "negative"),
        ({"box": 0.0}, "above 0"),
        ({}, "above 0"),
    ],
)
def test_impossible_kinds_are_refused(kinds, message):
    with pytest.raises(ValueError, match=message):
        _damage(kinds=kinds)


def test_degrade_is_damage_with_all_options_and_without_the_mask(monkeypatch):
    signatures = [
        inspect.signature(f).parameters for f in (holes.degrade, holes.damage)
    ]
    defaults = [{n: entry.default for n, entry in s.items()} for s in signatures]
    assert defaults[0] == defaults[1]
    given: dict[str, Any] = {
        name: 0.25 / i for i, name in enumerate(list(defaults[0])[2:], 1)
    }
    given |= {"kinds": BOX, "masks": "folder"}
    seen = {}
    fake = lambda key, image, **options: (seen.update(options), (image + 1, None))[1]
    monkeypatch.setattr(holes, "damage", fake)
    degraded = holes.degrade(jax.random.key(0), jnp.zeros((2, 2, 1)), **given)
    assert seen == given and (degraded == 1).all()
