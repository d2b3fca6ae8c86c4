import numpy as np
import pytest

from jaxrestore import errors, images
from jaxrestore.inference import inpainting
from jaxrestore.prior import deep_image, pictures, tasks


@pytest.fixture
def fitted(monkeypatch):
    """Fits that are the input in the operator's size, darker by a tenth."""
    calls = []

    def restore(degraded, *, progress, size=None, **options):
        calls.append({"degraded": degraded, "size": size, **options})
        times = size[0] // degraded.shape[1] if size else 1
        made = np.asarray(degraded).repeat(times, 1).repeat(times, 2) - 0.1
        mask = options.get("mask")
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


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_super_resolution_is_told_its_operator_and_enlarges_alpha(fitted, channels):
    picture = _noise(4, 6, channels)
    colors = channels - (channels in (2, 4))
    picture[..., colors:] = 200
    found = pictures.restore_picture(picture, task="sr", scale=3)
    assert found.picture.shape == (12, 18, channels)
    assert (found.picture[..., colors:] == 200).all()
    assert fitted[0]["operator"] is tasks.downsampling(3)


def test_colours_under_alpha_0_are_not_fitted(fitted):
    picture = np.full((4, 6, 4), 255, np.uint8)
    picture[1, 2] = (9, 9, 9, 0)
    pictures.restore_picture(picture, task="denoise")
    assert (fitted[0]["degraded"] == 1).all()


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_each_hole_is_filled_by_a_fit_and_known_pixels_stay_to_the_bit(fitted, kind):
    top = np.iinfo(kind).max
    picture = np.random.default_rng(0).integers(top // 8, top, (90, 300, 4), kind)
    hole = np.zeros((90, 300), bool)
    hole[40:44, 10:14] = hole[40:44, 280:284] = True
    seen = []
    fits = pictures.Filling(iterations=70, progress=seen.append)
    filled = inpainting.fill_holes(fits, picture, hole, side=64, margin=16)
    assert len(fits.results) == len(fitted) == 2 and fits.error is None
    assert fitted[0]["mask"].sum() == 16 and fitted[0]["iterations"] == 70
    assert [now.picture.shape for now in seen] == [(64, 64, 3)] * 2
    np.testing.assert_array_equal(filled[~hole], picture[~hole])
    np.testing.assert_array_equal(filled[..., 3], picture[..., 3])
    assert (filled[hole][:, :3] != picture[hole][:, :3]).any()


def test_a_fit_that_goes_bad_fills_its_hole_and_no_other_is_begun(fitted):
    picture, hole = _noise(90, 300, 3), np.zeros((90, 300), bool)
    hole[40:44, 10:14] = hole[40:44, 280:284] = True
    fits = pictures.Filling(progress=lambda now: True)
    filled = inpainting.fill_holes(fits, picture, hole, side=64, margin=16)
    assert str(fits.error) == "it diverged" and len(fitted) == 1
    hole[40:44, 280:284] = False
    np.testing.assert_array_equal(filled[~hole], picture[~hole])
    assert (filled[hole] != picture[hole]).any()


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
        ({"task": "inpaint"}, "call `inpainting.fill_holes` with"),
        ({"task": "sr", "scale": 17}, "`scale` is 17"),
    ],
)
def test_what_does_not_fit_the_picture_is_refused(options, words):
    with pytest.raises(errors.ConfigError, match=words):
        pictures.restore_picture(_noise(4, 4, 3), **options)


def test_a_result_of_too_many_pixels_is_refused_with_its_memory():
    with pytest.raises(images.ImageError, match=r"to 4000x2000 px takes some 100 GB"):
        pictures.restore_picture(np.zeros((500, 1000, 1), np.uint8), task="sr")
