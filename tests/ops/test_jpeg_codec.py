import functools
import io

import jax
import jax.numpy as jnp
import numpy as np
import PIL.Image
import pytest
import scipy.fft
import skimage.data

from jaxrestore.ops import jpeg_codec

tables = jax.jit(jpeg_codec.tables)


@functools.partial(jax.jit, static_argnames="halved")
def _decoded(pixels, quality, *, halved):
    """8-bit pixels as our codec gives them back, 8-bit."""
    image = pixels.astype(jnp.float32) / 255
    coded = jpeg_codec.coded(image, jpeg_codec.tables(quality), halved=halved)
    return jnp.round(coded * 255).astype(jnp.uint8)


def _file(pixels, quality, *, halved):
    """The JPEG file that Pillow makes of 8-bit pixels, opened."""
    picture = PIL.Image.fromarray(pixels if pixels.shape[-1] == 3 else pixels[..., 0])
    options = {"subsampling": 2 if halved else 0} if pixels.shape[-1] == 3 else {}
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=quality, **options)
    return PIL.Image.open(file)


def _from_file(pixels, quality, *, halved):
    return np.asarray(_file(pixels, quality, halved=halved)).reshape(pixels.shape)


def _photograph(name, height=96, width=104):
    return getattr(skimage.data, name)()[100 : 100 + height, 150 : 150 + width]


def _waves(height, width):
    """Smooth colours under fine texture that reaches black and white."""
    row, column = np.mgrid[:height, :width]
    smooth = np.stack([np.sin(row / 9), np.cos(column / 7), np.sin((row - column) / 8)])
    texture = np.random.default_rng(0).normal(0, 0.4, (3, height, width))
    levels = 128 + 100 * (smooth + texture)
    return np.clip(np.moveaxis(levels, 0, -1), 0, 255).astype(np.uint8)


def test_the_tables_are_those_in_pillows_files_for_every_quality():
    pixels = np.zeros((8, 8, 3), np.uint8)
    for quality in range(1, 101):
        stored = vars(_file(pixels, quality, halved=False))["quantization"]
        ours = np.asarray(tables(jnp.int32(quality)))
        np.testing.assert_array_equal(ours.reshape(2, 64), [stored[0], stored[1]])


def test_quality_50_is_the_standard_s_table_and_100_is_all_ones():
    corner = tables(jnp.int32(50))[:, :2, :2]
    np.testing.assert_array_equal(corner, [[[16, 11], [12, 12]], [[17, 18], [18, 21]]])
    np.testing.assert_array_equal(tables(jnp.int32(100)), np.ones((2, 8, 8)))
    np.testing.assert_array_equal(tables(jnp.int32(0)), tables(jnp.int32(1)))


# The coefficient of a flat block is 8 (level - 128); the step at quality 50 is 16.
# 131: 24 is one step and a half, rounded away from zero to 2 steps, 32, and 132.
@pytest.mark.parametrize(
    ("level", "decoded"), [(128, 128), (129, 130), (131, 132), (125, 124), (0, 0)]
)
def test_a_flat_block_goes_to_the_nearest_multiple_of_its_step(level, decoded):
    pixels = np.full((8, 8, 1), level, np.uint8)
    ours = _decoded(pixels, jnp.int32(50), halved=True)
    np.testing.assert_array_equal(ours, np.full((8, 8, 1), decoded))


IMAGES = {
    "cat": _photograph("chelsea"),
    "coffee": _photograph("coffee"),
    "waves": _waves(96, 104),
}


@pytest.mark.parametrize("name", IMAGES)
@pytest.mark.parametrize("quality", [1, 10, 30, 49, 50, 75, 90, 95, 100])
def test_every_pixel_is_that_of_libjpeg_in_grey_and_in_colour(name, quality):
    pixels = IMAGES[name]
    for case, halved in [(pixels[..., :1], False), (pixels, False), (pixels, True)]:
        ours = _decoded(case, jnp.int32(quality), halved=halved)
        theirs = _from_file(case, quality, halved=halved)
        np.testing.assert_array_equal(ours, theirs, f"{case.shape}, halved: {halved}")


@pytest.mark.parametrize("shape", [(1, 5), (15, 17), (18, 34)])
def test_sides_that_are_not_whole_blocks_are_continued_as_libjpeg_does(shape):
    pixels = _waves(*shape)
    for halved in (False, True):
        ours = _decoded(pixels, jnp.int32(40), halved=halved)
        theirs = _from_file(pixels, 40, halved=halved)
        np.testing.assert_array_equal(ours, theirs)


def test_a_traced_choice_of_chroma_gives_either_result_to_the_bit():
    pixels = _waves(15, 17)
    either = jax.jit(jpeg_codec.coded)
    for halved in (False, True):
        image, steps = jnp.asarray(pixels, jnp.float32) / 255, tables(jnp.int32(40))
        coded = either(image, steps, halved=jnp.array(halved))
        static = _decoded(pixels, jnp.int32(40), halved=halved)
        np.testing.assert_array_equal(jnp.round(coded * 255), static)


def test_a_batch_of_qualities_equals_a_loop_and_holds_whole_levels():
    image = jnp.asarray(_waves(15, 17), jnp.float32) / 255
    steps = jax.vmap(jpeg_codec.tables)(jnp.array([10, 60, 97]))
    code = functools.partial(jpeg_codec.coded, halved=True)
    levels = 255 * np.asarray(jax.jit(jax.vmap(code, (None, 0)))(image, steps))
    np.testing.assert_allclose(levels, np.rint(levels), atol=1e-4)
    for quality, result in zip((10, 60, 97), levels, strict=True):
        alone = _decoded(_waves(15, 17), jnp.int32(quality), halved=True)
        np.testing.assert_array_equal(np.rint(result), alone)


def test_the_error_falls_with_quality():
    pixels = IMAGES["coffee"]
    decoded = [
        np.asarray(_decoded(pixels, jnp.int32(quality), halved=False), float)
        for quality in (5, 20, 50, 80, 95, 100)
    ]
    errors = [np.square(image - pixels).mean() for image in decoded]
    assert errors == sorted(errors, reverse=True)
    assert errors[0] > 10 * errors[-2]


def _tangent(code, image, tangent):
    return jax.jit(lambda *both: jax.jvp(code, both[:1], both[1:]))(image, tangent)


@pytest.mark.parametrize("channels", [1, 3])
def test_the_gradient_at_full_resolution_goes_straight_through(channels):
    image = jnp.asarray(_waves(19, 13)[..., :channels], jnp.float32) / 255
    weight = jax.random.normal(jax.random.key(0), image.shape)
    steps = tables(jnp.int32(10))

    def score(image):
        return (weight * jpeg_codec.coded(image, steps, halved=False)).sum()

    np.testing.assert_allclose(jax.jit(jax.grad(score))(image), weight, atol=1e-5)


def test_at_half_resolution_fine_chroma_gets_no_gradient_and_luma_all():
    image = jnp.asarray(_waves(19, 13), jnp.float32) / 255
    code = functools.partial(jpeg_codec.coded, steps=tables(jnp.int32(10)), halved=True)
    sign = (-1.0) ** np.add(*np.mgrid[:19, :13])[..., None]
    grey = jnp.asarray(sign * np.ones(3), jnp.float32)
    decoded, passed = _tangent(code, image, grey)
    np.testing.assert_allclose(passed, grey, atol=1e-5)
    np.testing.assert_allclose(decoded, jax.jit(code)(image), rtol=1e-7)
    # No luma: 0.299 * 0.587 = 0.587 * 0.299. Means of 2 x 2 vanish, except below the
    # last row and right of the last column, which are repeated there.
    chroma = jnp.asarray(sign * [0.587, -0.299, 0], jnp.float32)
    lost = _tangent(code, image, chroma)[1]
    np.testing.assert_allclose(lost[:16, :10], 0, atol=1e-6)
    assert np.abs(lost[-1]).max() > 0.1


def _smooth_reference(plane, tangent, steps):
    """Levels [h, w] of whole blocks through DCT, cubic rounding and back; float64."""
    decoded, moved = np.empty(plane.shape), np.empty(plane.shape)
    for row in range(0, plane.shape[0], 8):
        for column in range(0, plane.shape[1], 8):
            block = np.s_[row : row + 8, column : column + 8]
            values = scipy.fft.dctn(plane[block] - 128.0, norm="ortho") / steps
            rest = values - np.rint(values)
            slope = 3 * rest**2 * scipy.fft.dctn(tangent[block], norm="ortho")
            rounded = (np.rint(values) + rest**3) * steps
            decoded[block] = np.asarray(scipy.fft.idctn(rounded, norm="ortho")) + 128
            moved[block] = np.asarray(scipy.fft.idctn(slope, norm="ortho"))
    return decoded, moved


def test_the_smooth_codec_and_its_derivative_equal_scipys_dct():
    # Not whole levels, so that no coefficient lies halfway between two steps.
    plane = _waves(16, 24)[..., 0] * 0.97 + 0.123
    tangent = np.random.default_rng(1).normal(size=plane.shape)
    steps = tables(jnp.int32(60))
    code = functools.partial(jpeg_codec.coded_smoothly, steps=steps, halved=False)
    image = jnp.asarray(plane[..., None] / 255, jnp.float32)
    ours = _tangent(code, image, jnp.asarray(tangent[..., None], jnp.float32))
    decoded, moved = _smooth_reference(plane, tangent, np.asarray(steps[0], float))
    np.testing.assert_allclose(ours[0][..., 0], decoded / 255, atol=2e-5)
    np.testing.assert_allclose(ours[1][..., 0], moved, atol=2e-3)
    assert np.abs(moved).max() > 0.5


def test_the_smooth_codec_of_a_photograph_is_near_the_exact_one():
    pixels = IMAGES["coffee"]
    image = jnp.asarray(pixels, jnp.float32) / 255
    smooth = jax.jit(functools.partial(jpeg_codec.coded_smoothly, halved=True))
    exact = np.asarray(_decoded(pixels, jnp.int32(75), halved=True), np.float32) / 255
    difference = np.abs(exact - smooth(image, tables(jnp.int32(75)))).mean()
    assert 0 < difference < 0.5 * np.abs(exact - image).mean()


@pytest.mark.parametrize("code", [jpeg_codec.coded, jpeg_codec.coded_smoothly])
def test_other_than_one_or_three_channels_are_refused(code):
    with pytest.raises(ValueError, match="1 or 3 channels, got 4; pass grey or RGB"):
        code(jnp.zeros((8, 8, 4)), jpeg_codec.tables(jnp.int32(50)), halved=False)
