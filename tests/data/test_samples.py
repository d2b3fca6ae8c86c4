import subprocess
import sys

import numpy as np
import pytest

from jaxrestore import errors
from jaxrestore.data import samples


@pytest.fixture(scope="module")
def evaluation():
    return samples.evaluation()


@pytest.fixture(scope="module")
def training():
    return samples.training()


def test_training_and_evaluation_share_no_name(evaluation, training):
    assert not set(evaluation.names) & set(training.names)
    assert len(set(evaluation.names)) == 4 and len(set(training.names)) == 10


def test_training_and_evaluation_share_no_image(evaluation, training):
    scored = {item["image"].tobytes() for item in evaluation}
    assert not scored & {item["image"].tobytes() for item in training}


def test_all_are_colour_arrays_large_enough_for_a_crop(evaluation, training):
    for item in [*evaluation, *training]:
        height, width, channels = item["image"].shape
        assert item["image"].dtype == np.uint8 and channels == 3
        assert min(height, width) >= 300


def test_a_photograph_that_scikit_image_lacks_is_its_damage_and_no_input(
    tmp_path, monkeypatch
):
    skimage = pytest.importorskip("skimage")
    monkeypatch.setattr(skimage, "__path__", [str(tmp_path)])
    with pytest.raises(errors.DamagedError, match="Install scikit-image anew"):
        samples.evaluation()


def test_they_are_the_images_that_scikit_image_gives(evaluation):
    data = pytest.importorskip("skimage").data
    for item in evaluation:
        if item["name"] == "rocket":
            continue  # scikit-image ignores its wide-gamut profile, images.decode not
        expected = getattr(data, item["name"])()
        np.testing.assert_array_equal(item["image"], expected)


def test_faces_of_real_people_are_known_and_only_scored(evaluation, training):
    assert set(evaluation.names) >= samples.NOT_SHOWN
    assert not samples.NOT_SHOWN & set(training.names)


def test_importing_the_module_imports_no_scikit_image():
    script = "import sys, jaxrestore.data.samples; assert 'skimage' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], check=True)
