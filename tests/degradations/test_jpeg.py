import functools
import io

import jax
import jax.numpy as jnp
import numpy as np
import PIL.Image
import pytest

from jaxrestore.degradations import jpeg

STATIC = ("subsampling", "rounding", "random_grid")


@functools.partial(jax.jit, static_argnames=STATIC)
def degrade(key, image, quality, **options):
    return jpeg.degrade(key, image, quality=quality, **options)


def _pixels(height=17, width=23, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def _image(*shape, **options):
    return jnp.asarray(_pixels(*shape, **options), jnp.float32) / 255


def _levels(image):
    return np.rint(255 * np.asarray(image)).astype(np.uint8)


def _pillow(pixels, quality, subsampling):
    file = io.BytesIO()
    picture = PIL.Image.fromarray(pixels)
    picture.save(file, "JPEG", quality=quality, subsampling=subsampling)
    return np.asarray(PIL.Image.open(file))


KEY = jax.random.key(0)


@pytest.mark.parametrize("subsampling", ["4:2:0", "4:4:4"])
@pytest.mark.parametrize("quality", [10, 60, 95])
def test_the_result_is_what_pillow_reads_from_its_file(subsampling, quality):
    ours = degrade(KEY, _image(), quality, subsampling=subsampling)
    np.testing.assert_array_equal(
        _levels(ours), _pillow(_pixels(), quality, subsampling)
    )


def test_without_options_chroma_is_halved_and_quality_is_between_30_and_95():
    ours = _levels(jax.jit(jpeg.degrade)(KEY, _image()))
    equal = [
        quality
        for quality in range(1, 101)
        if np.array_equal(ours, _pillow(_pixels(), quality, "4:2:0"))
    ]
    assert len(equal) == 1 and 30 <= equal[0] <= 95


def test_a_range_of_quality_is_drawn_with_both_ends():
    draw = jax.jit(jax.vmap(functools.partial(jpeg.degrade, quality=(20, 22))))
    images = jnp.broadcast_to(_image(8, 8), (64, 8, 8, 3))
    results = {_levels(r).tobytes() for r in draw(jax.random.split(KEY, 64), images)}
    files = {_pillow(_pixels(8, 8), q, "4:2:0").tobytes() for q in (20, 21, 22)}
    assert len(files) == 3 and results == files


def test_a_probability_of_halved_chroma_is_kept_also_when_traced():
    image = _image(16, 16)
    full, half = (_pillow(_pixels(16, 16), 50, name) for name in ("4:4:4", "4:2:0"))
    assert (full != half).any()

    @jax.jit
    def drawn(keys, probability):
        def one(key):
            return jpeg.degrade(key, image, quality=50, subsampling=probability)

        return jax.vmap(one)(keys)

    keys = jax.random.split(KEY, 400)
    for probability in (0.0, 0.25, 1.0):
        results = _levels(drawn(keys, probability))
        halved = (results == half).all((1, 2, 3))
        assert (halved | (results == full).all((1, 2, 3))).all()
        # Four standard deviations of the share of 400 draws.
        spread = 4 * (probability * (1 - probability) / 400) ** 0.5
        assert abs(halved.mean() - probability) <= spread


def test_values_outside_are_clipped_as_files_do():
    image = 3 * _image() - 1
    np.testing.assert_array_equal(
        degrade(KEY, image, 70), degrade(KEY, jnp.clip(image, 0, 1), 70)
    )


def _phases(pixels, quality, subsampling, result):
    """Phases of the grid at which a crop of Pillow's larger picture is `result`."""
    height, width = pixels.shape[:2]
    for down, right in np.ndindex(16, 16):
        margins = ((down, 15 - down), (right, 15 - right), (0, 0))
        large = np.pad(pixels, margins, mode="edge")
        coded = _pillow(large, quality, subsampling)
        if np.array_equal(coded[down : down + height, right : right + width], result):
            yield down, right


def test_a_random_grid_is_a_crop_of_a_larger_compressed_picture():
    found = set()
    for seed in range(4):
        key = jax.random.key(seed)
        ours = degrade(key, _image(), 30, subsampling="4:2:0", random_grid=True)
        assert ours.shape == _image().shape
        phases = list(_phases(_pixels(), 30, "4:2:0", _levels(ours)))
        assert len(phases) == 1
        found |= set(phases)
    assert len(found) > 2


def test_a_grid_that_is_random_at_times_is_else_that_of_the_file():
    whole = _levels(degrade(KEY, _image(), 30, subsampling="4:4:4"))
    same = set()
    for seed in range(8):
        key = jax.random.key(seed)
        ours = degrade(key, _image(), 30, subsampling="4:4:4", random_grid=0.5)
        same.add(bool((_levels(ours) == whole).all()))
    assert same == {True, False}
    with pytest.raises(ValueError, match=r"random_grid is 1\.5"):
        degrade(KEY, _image(), 30, random_grid=1.5)


@pytest.mark.parametrize("rounding", ["straight_through", "cubic"])
@pytest.mark.parametrize("channels", [1, 3])
def test_gradients_are_finite_and_point_to_where_the_error_falls(rounding, channels):
    target = _image(16, 24, seed=1)[..., :channels]
    image = 0.5 + 0.4 * (_image(16, 24)[..., :channels] - 0.5)

    @jax.jit
    @jax.value_and_grad
    def error(image):
        coded = jpeg.degrade(KEY, image, quality=60, rounding=rounding)
        return jnp.square(coded - target).mean()

    before, gradient = error(image)
    assert np.isfinite(gradient).all()
    assert error(image - 20 * gradient)[0] < 0.99 * before


@pytest.mark.parametrize("quality", [0, 101, (0, 50), (50, 101)])
def test_a_quality_outside_1_to_100_is_refused(quality):
    with pytest.raises(ValueError, match=r"quality is .*, but .* 1 to 100"):
        jpeg.degrade(KEY, _image(), quality=quality)


@pytest.mark.parametrize("subsampling", ["4:2:2", 420, -0.1, 1.5])
def test_other_subsampling_is_refused(subsampling):
    with pytest.raises(ValueError, match=r"takes 4:2:0, 4:4:4, or 0 to 1 \(the pr"):
        jpeg.degrade(KEY, _image(), subsampling=subsampling)


def test_other_rounding_is_refused():
    with pytest.raises(ValueError, match=r"jpeg\.py takes straight_through, cubic"):
        jpeg.degrade(KEY, _image(), rounding="hard")
