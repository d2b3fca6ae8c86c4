import numpy as np
import pytest
from PIL import Image, ImageCms
from skimage import data

from jaxrestore import errors, images
from jaxrestore.inference import folders, jpeg_cells, plans, restorer

SIZE = (45, 61)  # no whole blocks
ORIGINAL = data.coffee()[100 : 100 + SIZE[0], 200 : 200 + SIZE[1]]


def _compressed(tmp_path, quality, subsampling, image=ORIGINAL):
    """What comes out of a file, and its planes."""
    path = tmp_path / "picture.jpg"
    Image.fromarray(image).save(path, quality=quality, subsampling=subsampling)
    decoded = images.decode_as_stored(path)
    planes = images.jpeg_planes(path, decoded)
    components = [jpeg_cells.Component(*plane) for plane in planes]
    return decoded.astype(np.float32), components


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
    off = []
    for confine in (False, True):
        folders.restore_file(darker, source, tmp_path / "out.png", confine=confine)
        off.append(_error(images.decode(tmp_path / "out.png").astype(np.float32)))
    assert off[1] < off[0] / 20


def test_files_whose_pixels_are_not_theirs_alone_have_no_planes(tmp_path):
    picture = Image.fromarray(ORIGINAL)
    exif = Image.Exif()
    exif[0x0112] = 6  # turned
    picture.save(tmp_path / "turned.jpg", exif=exif)
    picture.save(tmp_path / "rgb.jpg", keep_rgb=True)
    picture.convert("CMYK").save(tmp_path / "inks.jpg")
    picture.save(tmp_path / "picture.png")
    for name in ("turned.jpg", "rgb.jpg", "inks.jpg"):
        assert _planes(tmp_path / name) is None
    assert _planes(tmp_path / "picture.png") == []
    picture.convert("L").save(tmp_path / "grey.jpg", progressive=True)
    planes = _planes(tmp_path / "grey.jpg")
    assert planes is not None and len(planes) == 1
    steps, *shared = planes[0]
    assert steps.shape == (8, 8) and shared == [1, 1]


def _planes(path):
    with Image.open(path) as image:
        inks = image.mode == "CMYK"  # which is read by its profile alone
    decoded = ORIGINAL if inks else images.decode_as_stored(path)
    return images.jpeg_planes(path, decoded)


def test_a_profile_of_srgb_and_a_preview_beside_it_change_no_planes(tmp_path):
    picture = Image.fromarray(ORIGINAL)
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture.save(tmp_path / "profile.jpg", icc_profile=srgb)
    preview = {"save_all": True, "append_images": [picture.resize((8, 8))]}
    picture.save(tmp_path / "camera.jpg", format="MPO", **preview)
    for name in ("profile.jpg", "camera.jpg"):
        assert len(_planes(tmp_path / name) or []) == 3


@pytest.mark.filterwarnings("ignore:images are written")
def test_files_that_cannot_be_confined_are_told_once(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    picture = Image.fromarray(ORIGINAL)
    picture.save(tmp_path / "a.jpg")
    picture.save(tmp_path / "b.jpg", exif=exif)
    picture.save(tmp_path / "c.jpg", exif=exif)
    plan = plans.planned([tmp_path], tmp_path.parent / f"{tmp_path.name}-out")
    darker = restorer.Restorer(lambda x: x * 0.8, 1, 1, "stand_in")
    with pytest.warns(errors.Notice, match="turned.*: b, c$"):
        folders.restore_all(darker, plan.places, confine=True)
