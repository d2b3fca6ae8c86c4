import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from skimage import data

from jaxrestore.degradations import pixelate


def _photograph():
    """An 8-bit photograph of 256 x 256."""
    return data.astronaut()[:256, 100:356]


def _degrade(image, seed=0, **options):
    run = jax.jit(functools.partial(pixelate.degrade, **options))
    return np.asarray(run(jax.random.key(seed), jnp.asarray(image, jnp.float32)))


def _random(height, width, channels=3):
    values = np.random.default_rng(0).random((height, width, channels))
    return values.astype(np.float32)


def _blocks(line):
    """Lengths of the runs of one value."""
    changes = np.flatnonzero(np.diff(line)) + 1
    return np.diff(changes, prepend=0, append=len(line))


def test_a_block_is_the_weighted_mean_of_a_triangle_by_hand():
    # Four pixels to two: the triangle of half-width 2 around 1 (pixel edges) weighs
    # the centres 0.5, 1.5, 2.5 by 3/4, 3/4, 1/4, and is scaled to sum 1.
    image = np.array([7.0, 0.0, 0.0, 14.0]).reshape(1, 4, 1).repeat(4, 0)
    made = _degrade(image, block=2.0)
    first, last = 7 * 3 / 7, 14 * 3 / 7
    np.testing.assert_allclose(made[0, :, 0], [first, first, last, last], rtol=1e-6)
    np.testing.assert_allclose(made, made[:1].repeat(4, 0), rtol=1e-6)


@pytest.mark.parametrize("side", [64, 85, 128])
def test_pixelation_equals_pillow_within_one_grey_level(side):
    photograph = _photograph()
    small = Image.fromarray(photograph).resize((side, side), Image.Resampling.BILINEAR)
    expected = np.asarray(small.resize((256, 256), Image.Resampling.NEAREST))
    made = _degrade(photograph / 255, side=side) * 255
    # Pillow rounds after each of the two directions: half a level each.
    assert abs(made - expected).max() <= 1.01


def test_85_blocks_on_256_pixels_are_of_three_and_four_pixels():
    ramp = np.tile(np.linspace(0, 1, 256), (256, 1))[..., None]
    made = _degrade(ramp, side=85)
    lengths = _blocks(made[0, :, 0])
    assert len(lengths) == 85 and set(lengths) == {3, 4}
    assert (lengths == 4).sum() == 256 - 3 * 85


def test_blocks_are_constant_in_both_directions():
    made = _degrade(_random(32, 32), side=8)
    cells = made.reshape(8, 4, 8, 4, 3)
    np.testing.assert_array_equal(cells, cells[:, :1, :, :1].repeat(4, 1).repeat(4, 3))


def test_as_many_blocks_as_pixels_change_nothing():
    image = _random(32, 32)
    np.testing.assert_allclose(_degrade(image, side=32), image, atol=1e-7)
    np.testing.assert_allclose(_degrade(image, block=1.0), image, atol=1e-7)


def test_a_constant_image_stays_and_a_huge_block_is_one_colour():
    flat = np.full((17, 23, 1), 0.3)
    np.testing.assert_allclose(_degrade(flat, side=5), 0.3, rtol=1e-6)
    assert np.ptp(_degrade(_random(16, 16, 1), block=99.0)) == 0


def test_an_oblong_image_has_blocks_as_high_as_wide():
    ramp = np.add.outer(np.arange(24), 100 * np.arange(60))[..., None]
    made = _degrade(ramp, side=6)
    assert len(_blocks(made[:, 0, 0])) == 6 and len(_blocks(made[0, :, 0])) == 15
    np.testing.assert_array_equal(_degrade(ramp, block=4.0), made)
    turned = _degrade(ramp.swapaxes(0, 1), side=6)
    np.testing.assert_allclose(turned.swapaxes(0, 1), made, rtol=1e-6)


def _counts(options, draws=60):
    """The numbers of blocks that a batch of 24 px ramps shows."""
    ramp = jnp.tile(jnp.linspace(0, 1, 24), (24, 1))[..., None]
    keys = jax.random.split(jax.random.key(0), draws)
    run = functools.partial(pixelate.degrade, **options)
    made = jax.jit(jax.vmap(run, (0, None)))(keys, ramp)
    return [len(_blocks(image[0, :, 0])) for image in np.asarray(made)]


def test_each_image_draws_its_own_number_of_blocks():
    assert set(_counts({"side": (5.0, 8.0)})) == {5, 6, 7, 8}
    assert set(_counts({"sides": (6, 11, 12)})) == {6, 11, 12}
    assert set(_counts({"block": (3.0, 6.0)})) == {4, 5, 6, 7, 8}


def test_a_drawn_number_gives_the_image_of_the_fixed_number():
    image = jnp.asarray(_random(24, 24))
    run = jax.jit(lambda side: pixelate.degrade(jax.random.key(0), image, side=side))
    for side in (5, 11, 24):
        fixed = _degrade(image, side=side)
        np.testing.assert_allclose(run(float(side)), fixed, atol=1e-6)
    # A traced number that is too large cannot be refused; it is clipped.
    np.testing.assert_allclose(run(99.0), image, atol=1e-6)


def test_impossible_sides_are_refused():
    key, image = jax.random.key(0), jnp.zeros((20, 30, 3))
    for side in (21, (5.0, 21.0)):
        with pytest.raises(ValueError, match="give numbers of blocks from 1 to 20"):
            pixelate.degrade(key, image, side=side)
    with pytest.raises(ValueError, match="give numbers of blocks from 1 to 20"):
        pixelate.degrade(key, image, sides=[4, 21])
    with pytest.raises(ValueError, match=r"sides is \(0, 4\), but .* 1 or more"):
        pixelate.degrade(key, image, sides=(0, 4))
    with pytest.raises(ValueError, match=r"block is \(0\.5, 2\.0\), but .* 1 or more"):
        pixelate.degrade(key, image, block=(0.5, 2.0))
    with pytest.raises(ValueError, match="give only one"):
        pixelate.degrade(key, image, side=4, sides=(4, 8))


@pytest.mark.parametrize(
    ("method", "filter", "reach"),
    [("linear", Image.Resampling.BILINEAR, 1), ("cubic", Image.Resampling.BICUBIC, 2)],
)
def test_the_enlargement_of_the_blocks_equals_pillow_inside(method, filter, reach):
    image = _random(32, 48)
    small = _degrade(image, block=4.0)[::4, ::4]  # one pixel a block
    run = jax.jit(functools.partial(pixelate.interpolated, block=4.0, method=method))
    ours = np.asarray(run(jax.random.key(0), jnp.asarray(image)))
    theirs = np.stack(
        [
            np.asarray(Image.fromarray(small[..., c]).resize((48, 32), filter))
            for c in range(3)
        ],
        -1,
    )
    # Beyond its edge Pillow leaves a picture out, ours goes on with its last pixel.
    edge = 4 * reach
    np.testing.assert_allclose(
        ours[edge:-edge, edge:-edge], theirs[edge:-edge, edge:-edge], atol=1e-5
    )


def test_a_smooth_enlargement_knows_the_blocks_that_were_drawn():
    image = np.float32(_photograph()[:64, :64]) / 255
    keys = jax.random.split(jax.random.key(0), 4)
    errors = []
    for made in (pixelate.interpolated, pixelate.degrade):
        run = jax.jit(jax.vmap(functools.partial(made, side=(12, 30)), (0, None)))
        errors.append(np.square(run(keys, jnp.asarray(image)) - image).mean((1, 2, 3)))
    assert (errors[0] < errors[1]).all()


def test_blocks_may_begin_outside_of_the_image():
    image = jnp.asarray(_random(32, 40))
    keys = jax.random.split(jax.random.key(0), 24)

    def degraded(**options):
        run = functools.partial(pixelate.degrade, image=image, block=8.0, **options)
        return np.asarray(jax.jit(jax.vmap(lambda key: run(key)))(keys))

    plain = degraded()[0]
    moved = degraded(random_grid=1)
    phases = {(_blocks(x[:, 0, 0])[0], _blocks(x[0, :, 0])[0]) for x in moved}
    assert len(phases) > 12
    assert {down for down, _ in phases} >= {1, 4, 8} and max(map(max, phases)) == 8
    for made in moved:  # and then they are as large as the others
        assert set(_blocks(made[:, 0, 0])[1:-1]) == {8}
    inner = np.s_[8:-8, 8:-8]
    seldom = degraded(random_grid=0.25)
    same = [np.allclose(made[inner], plain[inner], atol=1e-6) for made in seldom]
    assert 12 <= sum(same) <= 23


@pytest.mark.parametrize(
    "how", [{"block": (4.0, 33.0)}, {"side": 1}, {"sides": (1, 9)}]
)
def test_blocks_that_are_too_large_for_a_random_grid_are_refused(how):
    image = jnp.asarray(_random(40, 48))
    pixelate.degrade(jax.random.key(0), image, **how)
    with pytest.raises(ValueError, match="32 px at most"):
        pixelate.degrade(jax.random.key(0), image, random_grid=0.5, **how)


def test_a_block_that_lies_inside_has_the_same_colour_wherever_the_others_begin():
    image = _random(32, 32)
    made = _degrade(image, 3, block=4.0, random_grid=1)
    down, right = (_blocks(line)[0] % 4 for line in (made[:, 0, 0], made[0, :, 0]))
    inside = image[down:, right:]
    rows, columns = (4 * (side // 4) for side in inside.shape[:2])
    expected = _degrade(inside[:rows, :columns], block=4.0)
    np.testing.assert_allclose(
        made[down + 4 : down + 20, right + 4 : right + 20],
        expected[4:20, 4:20],
        atol=1e-6,
    )
