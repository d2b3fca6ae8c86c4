import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from jaxrestore.ops import resize

METHODS = pytest.mark.parametrize("method", resize.METHODS)
OPTIONS = ("method", "antialias")
resized_to = jax.jit(resize.resize, static_argnums=(1, 2), static_argnames=OPTIONS)
ANTIALIAS = pytest.mark.parametrize("antialias", [True, False])


def _image(*shape, seed=0):
    return np.random.default_rng(seed).random(shape, np.float32)


def _keys_cubic(x):
    x = abs(x)
    if x <= 1:
        return 1.5 * x**3 - 2.5 * x**2 + 1
    return -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2 if x <= 2 else 0.0


def _triangle(x):
    return max(0.0, 1 - abs(x))


def _one_side_as_matlab(values, out, scale, kernel, width, antialias):
    """imresize along the first axis, written from its definition, 1-based as MATLAB."""
    stretch = scale if antialias and scale < 1 else 1.0
    width = width / stretch
    side = len(values)
    mirror = [*range(1, side + 1), *range(side, 0, -1)]
    rows = []
    for x in range(1, out + 1):
        u = x / scale + 0.5 * (1 - 1 / scale)
        left = math.floor(u - width / 2)
        taps = range(left, left + math.ceil(width) + 2)
        weights = np.array([stretch * kernel(stretch * (u - tap)) for tap in taps])
        weights /= weights.sum()
        pixels = [values[mirror[(tap - 1) % len(mirror)] - 1] for tap in taps]
        rows.append(sum(w * p for w, p in zip(weights, pixels, strict=True)))
    return np.array(rows)


def _as_matlab(image, size, scales, method, antialias):
    kernel, support = {"bicubic": (_keys_cubic, 4), "bilinear": (_triangle, 2)}[method]
    shape = kernel, support, antialias
    image = _one_side_as_matlab(image.astype(float), size[0], scales[0], *shape)
    image = np.swapaxes(image, 0, 1)
    return np.swapaxes(_one_side_as_matlab(image, size[1], scales[1], *shape), 0, 1)


@pytest.mark.parametrize("method", ["bicubic", "bilinear"])
@ANTIALIAS
@pytest.mark.parametrize("size", [(5, 9), (17, 23), (31, 40), (2, 60), (1, 1)])
def test_resizing_to_a_size_is_matlabs(method, antialias, size):
    image = _image(17, 23, 2)
    options = {"method": method, "antialias": antialias}
    scales = size[0] / 17, size[1] / 23
    expected = _as_matlab(image, size, scales, method, antialias)
    resized = resized_to(jnp.asarray(image), *size, **options)
    np.testing.assert_allclose(resized, expected, atol=2e-6)


@pytest.mark.parametrize("method", ["bicubic", "bilinear"])
@pytest.mark.parametrize("scale", [1 / 4, 1 / 3, 0.3, 2, 2.5, 1 / 40])
def test_resizing_by_a_scale_is_matlabs_also_where_it_does_not_divide(method, scale):
    image = _image(17, 23, 1)
    height, width = math.ceil(17 * scale), math.ceil(23 * scale)
    expected = _as_matlab(image, (height, width), (scale, scale), method, True)
    resized = resize.rescale(jnp.asarray(image), scale, method=method)
    assert resized.shape == (height, width, 1)
    np.testing.assert_allclose(resized, expected, atol=2e-6)


def test_halving_spreads_a_point_as_the_cubic_says():
    # Stretched by 2, the taps stand at 0.25, 0.75, 1.25, 1.75 on each side of a centre:
    # 1.5 x^3 - 2.5 x^2 + 1 and -0.5 x^3 + 2.5 x^2 - 4 x + 2, halved so that they sum 1.
    weights = np.array([0.8671875, 0.2265625, -0.0703125, -0.0234375]) / 2
    assert weights.sum() == 0.5
    line = np.zeros((1, 32, 1), np.float32)
    line[0, 15] = 1
    halved = resized_to(jnp.asarray(line), 1, 16)[0, :, 0]
    # Centre of output i is 2 i + 0.5: from 15 it is 1.5, 0.5, 2.5, 3.5 px away.
    near, next_to, far, further = weights
    expected = {6: far, 7: near, 8: next_to, 9: further}
    for index in range(16):
        np.testing.assert_allclose(halved[index], expected.get(index, 0), atol=1e-7)


@pytest.mark.parametrize("method", ["bicubic", "bilinear"])
@pytest.mark.parametrize("size", [(12, 16), (50, 60), (90, 100)])
def test_inside_it_is_pillow_in_floating_point(method, size):
    image = _image(48, 64)
    resample = getattr(Image.Resampling, method.upper())
    pillow = Image.fromarray(image).resize(size[::-1], resample)
    ours = resized_to(jnp.asarray(image)[..., None], *size, method=method)[..., 0]
    # Pillow leaves out what lies beyond the border where MATLAB mirrors the image.
    inside = np.s_[3:-3, 3:-3]
    np.testing.assert_allclose(ours[inside], np.asarray(pillow)[inside], atol=2e-6)


@METHODS
def test_the_same_size_changes_nothing(method):
    image = jnp.asarray(_image(9, 11, 3))
    np.testing.assert_array_equal(resize.resize(image, 9, 11, method=method), image)


@METHODS
@ANTIALIAS
@pytest.mark.parametrize("size", [(3, 40), (30, 5)])
def test_a_constant_stays_constant(method, antialias, size):
    image = jnp.full((13, 19, 1), 0.7)
    resized = resized_to(image, *size, method=method, antialias=antialias)
    np.testing.assert_allclose(resized, 0.7, atol=1e-6)


def test_area_is_the_mean_of_what_a_pixel_covers():
    image = jnp.arange(6, dtype=jnp.float32).reshape(1, 6, 1)
    area = functools.partial(resize.resize, image, 1, method="area")
    np.testing.assert_allclose(area(2)[0, :, 0], [1, 4], atol=1e-6)
    # Pixels of side 1.5: (0 + 1 / 2) / 1.5, (1 / 2 + 2) / 1.5, and 3 px further on.
    np.testing.assert_allclose(
        area(4)[0, :, 0], np.array([1, 5, 10, 14]) / 3, atol=2e-6
    )
    # Enlarged, pixels of side 2 / 3: the middle one of three sees half of two pixels.
    third = area(9)[0, :3, 0]
    np.testing.assert_allclose(third, [0, 0.5, 1], atol=1e-6)


def test_a_batch_is_resized_image_by_image():
    images = jnp.asarray(_image(2, 3, 16, 12, 3))
    together = resized_to(images, 5, 20)
    assert together.shape == (2, 3, 5, 20, 3)
    np.testing.assert_allclose(
        together[1, 2], resize.resize(images[1, 2], 5, 20), atol=1e-6
    )


def test_a_side_that_does_not_divide_is_rounded_up():
    assert [resize.scaled_side(side, 1 / 4) for side in (15, 16, 17)] == [4, 4, 5]
    # 100 * 1.1 is a little more than 110 in binary, which is not one pixel more.
    assert math.ceil(100 * 1.1) == 111 and resize.scaled_side(100, 1.1) == 110
    assert resize.scaled_side(1, 0.01) == 1


def test_what_makes_no_sense_is_refused():
    image = jnp.zeros((4, 4, 1))
    with pytest.raises(ValueError, match=r"'cubic'.* bicubic, bilinear, area"):
        resize.resize(image, 2, 2, method="cubic")
    with pytest.raises(ValueError, match="0x2"):
        resize.resize(image, 0, 2)
    with pytest.raises(ValueError, match="scale is -2"):
        resize.rescale(image, -2)


# Sizes drawn at run time


@functools.partial(jax.jit, static_argnames=("shape", "antialias"))
def _resize_extent(canvas, source, target, method, *, shape, antialias=True):
    return resize.resize_extent(
        canvas, source, target, shape, method=method, antialias=antialias
    )


@METHODS
@ANTIALIAS
@pytest.mark.parametrize("target", [(24, 32), (40, 20), (17, 23), (3, 4), (1, 1)])
def test_the_jittable_form_has_the_values_of_the_static_one(method, antialias, target):
    image, position = _image(17, 23, 3), resize.METHODS.index(method)
    # Beyond the extent stands something that must not be read.
    canvas = np.full((20, 30, 3), 7.0, np.float32)
    canvas[:17, :23] = image
    resized = _resize_extent(
        jnp.asarray(canvas),
        resize.Extent(jnp.int32(17), jnp.int32(23)),
        resize.Extent(jnp.int32(target[0]), jnp.int32(target[1])),
        jnp.int32(position),
        shape=(42, 34),
        antialias=antialias,
    )
    expected = resized_to(
        jnp.asarray(image), *target, method=method, antialias=antialias
    )
    inside = resized[: target[0], : target[1]]
    np.testing.assert_allclose(inside, expected, atol=3e-5)
    # Beyond the new extent the edge is repeated.
    rest = ((0, 42 - target[0]), (0, 34 - target[1]), (0, 0))
    np.testing.assert_array_equal(resized, np.pad(inside, rest, mode="edge"))


def test_a_batch_may_have_a_size_and_a_method_for_each_image():
    images = jnp.asarray(_image(3, 12, 12, 1))
    sides, methods = jnp.array([5, 12, 16]), jnp.array([0, 1, 2])

    def one(image, side, method):
        old, new = resize.Extent(12, 12), resize.Extent(side, side)
        return resize.resize_extent(image, old, new, (16, 16), method=method)

    together = jax.jit(jax.vmap(one))(images, sides, methods)
    for image, side, method, resized in zip(
        images, [5, 12, 16], resize.METHODS, together, strict=True
    ):
        expected = resized_to(image, side, side, method=method)
        np.testing.assert_allclose(resized[:side, :side], expected, atol=3e-5)


def test_to_a_canvas_and_back_keeps_a_smooth_image():
    grid = np.linspace(0, 3, 24, dtype=np.float32)
    image = jnp.asarray(np.sin(grid)[:, None, None] * np.cos(grid)[None, :, None])
    whole, larger = resize.Extent(24, 24), resize.Extent(31, 29)
    canvas = resize.resize_extent(image, whole, larger, (36, 36))
    back = resize.resize_extent(canvas, larger, whole, (24, 24))
    np.testing.assert_allclose(back, image, atol=0.01)
