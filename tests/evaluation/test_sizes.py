from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from jaxrestore import images
from jaxrestore.evaluation import evaluate, sizes

FILES = {role: Path(f"{role}.png") for role in ("prediction", "target", "input")}


def matched(**sides):
    generator = np.random.default_rng(0)
    pictures = {
        role: generator.integers(0, 256, (*size, 3), np.uint8)
        for role, size in sides.items()
    }
    return pictures, *sizes.matched(pictures, FILES)


@pytest.mark.parametrize("prediction", [(44, 32), (40, 32), (41, 32)])
def test_all_are_cut_to_the_scale_and_the_input_is_enlarged(prediction):
    given, found, done = matched(prediction=prediction, target=(41, 32), input=(11, 8))
    assert {picture.shape for picture in found.values()} == {(40, 32, 3)}
    assert done == {"cut": "32x41 to 32x40", "enlarged": "8x11 by 4"}
    for role in ("prediction", "target"):
        np.testing.assert_array_equal(found[role], given[role][:40])
    # As an evaluation in training compares it.
    small = jnp.asarray(given["input"][None, :10], jnp.float32) / 255
    large = evaluate.baseline(small, jnp.zeros((1, 40, 32, 3)))[0]
    levels = np.clip(np.asarray(large), 0, 1) * 255
    assert np.abs(levels - found["input"]).max() <= 0.51


def test_what_has_one_size_stays_and_whole_multiples_are_not_cut():
    given, found, done = matched(prediction=(41, 32), target=(41, 32), input=(41, 32))
    assert not done and all(found[role] is given[role] for role in given)
    _, found, done = matched(prediction=(40, 32), target=(40, 32), input=(20, 16))
    assert done == {"enlarged": "16x20 by 2"} and found["input"].shape == (40, 32, 3)
    _, found, done = matched(prediction=(24, 32), target=(24, 31))
    assert done == {"cut": "31x24 to 30x24"}


@pytest.mark.parametrize(
    ("sides", "says"),
    [
        ({"prediction": (96, 124), "target": (24, 31)}, "prediction is 124x96, its t"),
        ({"prediction": (32, 41), "target": (41, 32)}, "prediction is 41x32, its tar"),
        ({"prediction": (20, 16), "target": (40, 32)}, "prediction is 16x20, its tar"),
        (
            {"prediction": (40, 32), "target": (40, 32), "input": (21, 8)},
            "the input is 8x21, its target 32x40; files of one size are compared, or",
        ),
        (
            {"prediction": (40, 32), "target": (40, 32), "input": (39, 32)},
            "the input is 32x39",
        ),
        ({"prediction": (2, 3), "target": (1, 3)}, "prediction is 3x2"),
    ],
)
def test_a_size_that_no_scale_explains_is_refused(sides, says):
    with pytest.raises(images.ImageError, match=says):
        matched(**sides)


def test_a_mask_is_cut_with_its_target():
    pictures = {
        "prediction": np.zeros((8, 8, 3), np.uint8),
        "target": np.zeros((9, 8, 3), np.uint8),
        "mask": np.zeros((9, 8, 1), np.uint8),
    }
    found, _ = sizes.matched(pictures, {**FILES, "mask": Path("mask.png")})
    assert found["mask"].shape == (8, 8, 1)
