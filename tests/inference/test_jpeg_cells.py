import numpy as np
import pytest
from PIL import Image
from skimage import data

from jaxrestore import images
from jaxrestore.inference import folders, jpeg_cells, restorer

SIZE = (45, 61)  # no whole blocks
ORIGINAL = data.coffee()[100 : 100 + SIZE[0], 200 : 200 + SIZE[1]]


def _compressed(tmp_path, quality, subsampling, image=ORIGINAL):
    """What comes out of a file, and its planes."""
    path = tmp_path / "picture.jpg"
    Image.fromarray(image).save(path, quality=quality, subsampling=subsampling)
    planes = [jpeg_cells.Component(*plane) for plane in images.jpeg_planes(path)]
    decoded = images.decode_as_stored(path).astype(np.float32)
    return decoded, planes


def _error(image, original=ORIGINAL):
    return np.square(image - np.atleast_3d(original).astype(np.float32)).mean()


@pytest.mark.parametrize("subsampling", [0, 2])
@pytest.mark.parametrize("quality", [15, 60, 95])
def test_the_original_is_allowed_and_what_is_far_from_it_is_brought_nearer(
    tmp_path, quality, subsampling
):
    decoded, planes = _compressed(tmp_path, quality, subsampling)
    original = ORIGINAL.astype(np.float32)
    kept = jpeg_cells.confined(original, decoded, planes)
    assert _error(kept) < 0.3 * _error(decoded)
    rng = np.random.default_rng(0)
    for wrong in (original + rng.normal(0, 20, original.shape), original[::-1]):
        assert _error(jpeg_cells.confined(wrong, decoded, planes)) < _error(wrong)


def test_a_file_that_lost_nearly_nothing_cannot_be_spoilt(tmp_path):
    decoded, planes = _compressed(tmp_path, 100, 0)
    spoilt = decoded + np.random.default_rng(0).normal(0, 10, decoded.shape)
    gain = lambda image: -10 * np.log10(_error(image) / _error(decoded))
    assert gain(spoilt) < -20
    assert gain(jpeg_cells.confined(spoilt, decoded, planes)) > -0.5


def test_what_is_not_changed_stays(tmp_path):
    decoded, planes = _compressed(tmp_path, 50, 2)
    same = jpeg_cells.confined(decoded, decoded, planes)
    np.testing.assert_allclose(same, decoded, atol=1e-3)


def test_no_coefficient_leaves_its_cell(tmp_path):
    grey = ORIGINAL[..., 0][:40, :56]
    decoded, planes = _compressed(tmp_path, 40, 0, grey)
    wrong = decoded + np.random.default_rng(0).normal(0, 30, decoded.shape)
    change = jpeg_cells.confined(wrong, decoded, planes)[..., 0] - decoded[..., 0]
    blocks = change.reshape(5, 8, 7, 8).swapaxes(1, 2)
    frequency, place = np.mgrid[:8, :8]
    cosines = np.cos((2 * place + 1) * frequency * np.pi / 16) / 2
    cosines[0] /= np.sqrt(2)
    moved = cosines @ blocks @ cosines.T
    assert (np.abs(moved) <= planes[0].steps / 2 + 1e-3).all()
    assert np.abs(moved).max() > 1


def test_a_restored_file_keeps_to_what_it_says_if_asked(tmp_path):
    _compressed(tmp_path, 95, 2)
    source = tmp_path / "picture.jpg"
    darker = restorer.Restorer(lambda x: x * 0.8, 1, 1, "stand_in")
    errors = []
    for confine in (False, True):
        folders.restore_file(darker, source, tmp_path / "out.png", confine=confine)
        errors.append(_error(images.decode(tmp_path / "out.png").astype(np.float32)))
    assert errors[1] < errors[0] / 20


def test_files_whose_pixels_are_not_theirs_alone_have_no_planes(tmp_path):
    picture = Image.fromarray(ORIGINAL)
    exif = Image.Exif()
    exif[0x0112] = 6  # turned
    picture.save(tmp_path / "turned.jpg", exif=exif)
    picture.save(tmp_path / "rgb.jpg", keep_rgb=True)
    picture.convert("CMYK").save(tmp_path / "inks.jpg")
    picture.save(tmp_path / "picture.png")
    for name in ("turned.jpg", "rgb.jpg", "inks.jpg", "picture.png"):
        assert images.jpeg_planes(tmp_path / name) is None
    picture.convert("L").save(tmp_path / "grey.jpg", progressive=True)
    planes = images.jpeg_planes(tmp_path / "grey.jpg")
    assert planes is not None and len(planes) == 1
    steps, *shared = planes[0]
    assert steps.shape == (8, 8) and shared == [1, 1]
