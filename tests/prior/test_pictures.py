import jax.numpy as jnp
import numpy as np
import pytest

from jaxrestore import errors, images
from jaxrestore.prior import deep_image, pictures, tasks


@pytest.fixture
def fitted(monkeypatch):
    """Fits that are the input in the operator's size, darker by a tenth."""
    calls = []

    def restore(degraded, *, size, progress, **options):
        calls.append({"degraded": degraded, "size": size, **options})
        times = size[0] // degraded.shape[1]
        made = np.asarray(degraded).repeat(times, 1).repeat(times, 2) - 0.1
        mask = options["mask"]
        if mask is not None:
            made = np.where(mask > 0, made, degraded)
        result = deep_image.Result(made, [70], ["rule"])
        if progress and progress(deep_image.Progress(50, 100, made, [[]], [True])):
            error = deep_image.FitError("it diverged")
            error.result = result
            raise error
        return result

    monkeypatch.setattr(deep_image, "restore", restore)
    return calls


def _noise(*shape):
    return np.random.default_rng(0).integers(30, 255, shape, np.uint8)


def _darker(values):
    return np.rint(values.astype(np.float32) - 25.5).astype(np.uint8)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_colours_are_fitted_and_alpha_is_kept(fitted, channels):
    picture = _noise(5, 4, channels)
    found = pictures.restore_picture(picture, task="denoise")
    colors = channels - (channels in (2, 4))
    assert fitted[0]["degraded"].shape == (1, 5, 4, colors)
    np.testing.assert_allclose(
        found.picture[..., :colors], _darker(picture)[..., :colors], atol=1
    )
    np.testing.assert_array_equal(found.picture[..., colors:], picture[..., colors:])
    assert (found.iterations, found.ended) == (70, "rule")


def test_super_resolution_is_told_its_operator_and_enlarges_alpha(fitted):
    picture = _noise(4, 6, 2)
    picture[..., 1] = 200
    found = pictures.restore_picture(picture, task="sr", scale=3)
    assert found.picture.shape == (12, 18, 2)
    assert (found.picture[..., 1] == 200).all()
    assert fitted[0]["operator"] is tasks.downsampling(3)


def test_known_pixels_come_back_to_the_bit(fitted):
    picture, mask = np.arange(256, dtype=np.uint8).reshape(16, 16, 1), _noise(16, 16, 1)
    found = pictures.restore_picture(picture, task="inpaint", mask=mask)
    known = mask < 128
    np.testing.assert_array_equal(found.picture[known], picture[known])
    assert jnp.array_equal(fitted[0]["mask"][0] > 0, ~known)


def test_colours_under_alpha_0_are_not_fitted_and_known_ones_stay(fitted):
    picture = np.full((4, 6, 4), 255, np.uint8)
    picture[1, 2] = (9, 9, 9, 0)
    mask = np.zeros((4, 6, 1), bool)
    mask[:, 4:] = True
    found = pictures.restore_picture(picture, task="inpaint", mask=mask)
    assert (fitted[0]["degraded"] == 1).all()
    np.testing.assert_array_equal(found.picture[:, :4], picture[:, :4])


def test_an_error_of_a_fit_has_the_picture_so_far(fitted):
    seen = []

    def watch(now):
        seen.append(now)
        return True

    picture = _noise(3, 3, 3)
    with pytest.raises(deep_image.FitError) as caught:
        pictures.restore_picture(picture, task="jpeg", progress=watch)
    (now,) = seen
    assert (now.iteration, now.most) == (50, 100)
    np.testing.assert_array_equal(caught.value.result.picture, now.picture)
    assert caught.value.result.iterations == 70


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"task": "denoise", "mask": np.zeros((4, 4, 1), np.uint8)},
            "denoise has none",
        ),
        ({"task": "inpaint", "mask": np.zeros((4, 5, 1), np.uint8)}, "5x4 px.* 4x4"),
        ({"task": "sr", "scale": 17}, "`scale` is 17"),
    ],
)
def test_what_does_not_fit_the_picture_is_refused(options, words):
    with pytest.raises(errors.ConfigError, match=words):
        pictures.restore_picture(_noise(4, 4, 3), **options)


def test_a_result_of_too_many_pixels_is_refused_with_its_memory():
    with pytest.raises(images.ImageError, match=r"to 4000x2000 px takes some 100 GB"):
        pictures.restore_picture(np.zeros((500, 1000, 1), np.uint8), task="sr")
