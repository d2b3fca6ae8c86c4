import hashlib

import numpy as np
import pytest

from jaxrestore import errors, images
from jaxrestore.raters import pictures


def _picture(seed, height=24, width=32):
    coarse = np.random.default_rng(seed).integers(0, 256, (height // 8, width // 8, 3))
    return np.kron(coarse, np.ones((8, 8, 1))).astype(np.uint8)


@pytest.fixture
def partners(tmp_path):
    """Three images; `exact` restores them to the bit, `dark` at half their levels."""
    found = {}
    for seed, stem in enumerate(("ant", "bee", "cat")):
        target = _picture(seed)
        by_role = {"exact": target, "dark": target // 2, pictures.TARGET: target}
        found[stem] = {}
        for role, picture in by_role.items():
            found[stem][role] = tmp_path / f"{stem}-{role}.png"
            images.encode(picture, found[stem][role])
    return found


METHODS = ("exact", "dark")


def test_an_item_has_pictures_hashes_and_scores_by_name(partners, tmp_path):
    skipped = {}
    items = pictures.read(partners, METHODS, 5, skipped)
    assert [item.stem for item in items] == ["ant", "bee", "cat"] and not skipped
    item = items[0]
    assert set(item.pictures) == {*METHODS, pictures.TARGET, pictures.BLURRED}
    shown = tmp_path / "shown.png"
    shown.write_bytes(item.pictures["dark"])
    np.testing.assert_array_equal(images.decode(shown), _picture(0) // 2)
    files = partners["ant"]
    hashed = {r: hashlib.sha256(p.read_bytes()).hexdigest() for r, p in files.items()}
    assert item.hashes == hashed
    exact, dark = item.metrics["exact"], item.metrics["dark"]
    assert exact["psnr"] is None  # infinite, which JSON has not
    error = np.mean((_picture(0) / 255 - _picture(0) // 2 / 255) ** 2)
    assert dark["psnr"] == pytest.approx(-10 * np.log10(error), abs=1e-3)
    assert exact["ssim"] == pytest.approx(1) and dark["ssim"] < 0.95


def test_the_first_that_can_be_used_are_taken(partners, tmp_path):
    images.encode(_picture(0, height=32), partners["ant"]["dark"])
    partners["bee"]["exact"].write_bytes(b"no picture")
    skipped = {}
    items = pictures.read(partners, METHODS, 1, skipped)
    assert [item.stem for item in items] == ["cat"]
    assert set(skipped) == {"ant", "bee"}
    assert "is 32x32, its target 32x24" in skipped["ant"]
    assert [item.stem for item in pictures.read(partners, ("exact",), 1, {})] == ["ant"]


def test_without_any_usable_image_the_first_reason_is_told(partners):
    partners = {"ant": partners["ant"]}
    partners["ant"]["exact"].write_bytes(b"no picture")
    with pytest.raises(errors.NoInputError, match=r"no image can be shown.*exact"):
        pictures.read(partners, METHODS, 1, {})


def test_the_blur_of_the_catch_question_keeps_a_flat_picture_and_the_mean():
    flat = np.full((24, 32, 3), 77, np.uint8)
    np.testing.assert_array_equal(pictures._box_blurred(flat), flat)
    point = np.zeros((25, 25, 3), np.uint8)
    point[12, 12] = 255
    blurred = pictures._box_blurred(point).astype(int)
    # Two boxes of 5 px are a pyramid of 9: its centre has a fifth along each axis.
    assert blurred[12, 12, 0] == round(255 / 25)
    np.testing.assert_array_equal(np.flatnonzero(blurred[12, :, 0]), range(8, 17))
    np.testing.assert_array_equal(blurred, blurred[::-1, ::-1])
