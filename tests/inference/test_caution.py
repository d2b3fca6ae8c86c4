import numpy as np
import pytest
from PIL import Image
from skimage import data

from jaxrestore import errors
from jaxrestore.inference import caution, jpeg_cells, restorer

PHOTOGRAPH = data.coffee()[100:164, 200:280]
IMAGE = (40 + 0.6 * PHOTOGRAPH).astype(np.uint8)  # room for what is added
RANDOM = np.random.default_rng(0)


def _noisy(image, sigma, channels=3):
    noise = RANDOM.normal(0, sigma, (*image.shape[:2], channels))
    return np.clip(np.rint(image + noise), 0, 255).astype(np.uint8)


def _changed(by, caution=None, **options):
    """What becomes of a photograph whose pixels a network all changes by as much."""
    network = restorer.Restorer(
        lambda images: images + by / 255, 1, 1, "stand_in", caution=caution
    )
    found = restorer.restore_image(network, IMAGE, **options)
    return np.unique(found.astype(int) - IMAGE)


@pytest.mark.parametrize(
    ("by", "made"), [(2, 0), (3, 0), (6, 6 * (1 - 9 / 36)), (30, 30 * (1 - 9 / 900))]
)
def test_a_change_as_of_clean_pictures_is_not_made_and_a_large_one_is(by, made):
    contrast = np.sqrt(IMAGE.var((0, 1)).mean())
    assert abs(_changed(by, caution.Caution(3 / contrast, False)) - made).max() <= 0.5


@pytest.mark.parametrize("repeats", [False, True])
def test_a_margin_hides_no_noise(repeats):
    page = np.full((200, 200, 3), 255, np.uint8)
    page[60:124, 60:140] = _noisy(PHOTOGRAPH, 8)
    restored = page.copy()
    restored[60:124, 60:140] = PHOTOGRAPH
    found = caution.believed(caution.Caution(0.05, repeats), page, restored.copy())
    assert abs(found.astype(int) - restored).max() <= 6  # of noise of up to 30
    assert (found[:50] == 255).all()


def test_the_darker_a_picture_the_weaker_its_noise_may_be():
    dark = (PHOTOGRAPH * 0.1).astype(np.uint8)
    noisy = _noisy(dark, 3)
    found = caution.believed(caution.Caution(0.05, True), noisy, dark.copy())
    error = lambda image: np.square(image.astype(float) - dark).mean()
    assert error(found) < error(noisy) / 5


def test_a_strength_is_taken_as_it_is_and_needs_no_caution():
    doubtful = caution.Caution(100.0, True)
    assert (_changed(8, doubtful, strength=1) == 8).all()
    assert (_changed(8, doubtful, strength=0.25) == 2).all()
    assert (_changed(8, strength=0) == 0).all()


@pytest.mark.parametrize("strength", [-0.1, 1.01, float("nan")])
def test_a_strength_that_is_no_share_is_told(strength):
    with pytest.raises(errors.ConfigError, match="from 0 to 1"):
        _changed(1, strength=strength)


def test_a_network_that_enlarges_has_no_strength_and_no_cells():
    network = restorer.Restorer(lambda x: x.repeat(2, 1).repeat(2, 2), 2, 1, "large")
    cells = [jpeg_cells.Component(np.ones((8, 8), int))] * 3
    with pytest.raises(errors.ConfigError, match="leave `strength` out"):
        restorer.restore_image(network, PHOTOGRAPH, strength=0.5)
    with pytest.raises(errors.ConfigError, match="leave `confine` out"):
        restorer.restore_image(network, PHOTOGRAPH, cells=cells)


@pytest.mark.parametrize("channels", [2, 4])
def test_alpha_counts_as_no_change(channels):
    # Counted, its zeros would make the change look like that of a clean picture.
    image = np.full((*IMAGE.shape[:2], channels), 255, np.uint8)
    image[..., :-1] = IMAGE[..., : channels - 1]
    shy = caution.Caution(5 / np.sqrt(image[..., :-1].var((0, 1)).mean()), False)
    network = restorer.Restorer(lambda x: x + 10 / 255, 1, 1, "add", caution=shy)
    change = restorer.restore_image(network, image).astype(int) - image
    assert abs(change[..., :-1] - 7.5).max() <= 0.5 and (change[..., -1] == 0).all()


# What recurs


def _text():
    page = np.full((64, 64, 1), 255, np.uint8)
    page[8:56:12, 6:58] = 0
    page[10:56:12, 6:58:4] = 90
    return page


DRAWN = {
    "flat": np.full((64, 64, 3), 255, np.uint8),
    "text": _text(),
    "patches": RANDOM.integers(0, 256, (8, 8, 3), np.uint8).repeat(16, 0).repeat(16, 1),
    "dithered": np.array(Image.fromarray(data.camera()).convert("1").convert("RGB")),
}


@pytest.mark.parametrize("name", DRAWN)
def test_what_is_drawn_recurs_and_with_noise_it_does_not(name):
    image = DRAWN[name]
    assert caution.recurring(image).mean() > 0.9
    for channels in {1, image.shape[2]}:
        assert caution.recurring(_noisy(image, 5, channels)).mean() < 0.02


@pytest.mark.parametrize("sigma", [2, 15, 50])
def test_what_is_photographed_with_noise_does_not_recur(sigma):
    assert not caution.recurring(_noisy(PHOTOGRAPH, sigma)).any()
    assert caution.recurring(PHOTOGRAPH).mean() < 0.1


def test_what_recurs_is_kept_to_the_bit_beside_what_is_restored():
    image = _noisy(PHOTOGRAPH, 10)
    image[:, 40:] = (255, 0, 255)
    restored = np.full_like(image, 128)
    kept = caution.believed(caution.Caution(0.01, True), image, restored.copy())
    assert (kept[:, 40:] == image[:, 40:]).all()
    assert (abs(kept[:, :36].astype(int) - 128) <= 1).all()
    changed = caution.believed(caution.Caution(0.01, False), image, restored.copy())
    assert (abs(changed.astype(int) - 128) <= 1).all()


@pytest.mark.parametrize("shape", [(3, 9, 3), (1, 1, 1), (9, 3, 3)])
def test_a_picture_smaller_than_a_patch_has_none_that_recurs(shape):
    assert not caution.recurring(np.zeros(shape, np.uint8)).any()


def test_a_large_picture_is_searched_in_bands_without_a_gap(monkeypatch):
    image = np.full((50, 40, 3), 7, np.uint8)
    image[20:23] = RANDOM.integers(0, 256, (3, 40, 3), np.uint8)
    whole = caution.recurring(image)
    monkeypatch.setattr(caution, "_BAND", 40 * 9)
    np.testing.assert_array_equal(caution.recurring(image), whole)
    assert whole.mean() == pytest.approx(47 / 50)


@pytest.mark.parametrize("channels", [1, 3])
def test_what_is_noisy_and_pasted_twice_is_not_kept(channels):
    once = _noisy(PHOTOGRAPH[..., :channels], 15, channels)
    assert caution.recurring(np.tile(once, (2, 2, 1))).mean() < 0.25


@pytest.mark.parametrize(("level", "sigma"), [(262, 10), (0, 4), (255, 25)])
def test_noise_of_which_half_is_clipped_does_not_recur(level, sigma):
    image = _noisy(np.full((256, 256, 1), level), sigma, 1)
    assert caution.recurring(image).mean() < 0.2
