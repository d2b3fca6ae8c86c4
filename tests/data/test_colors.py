import jax
import numpy as np
import pytest

from jaxrestore import errors, protocols
from jaxrestore.data import colors, pipeline, samples, sources

SECTION = {
    "train": "embedded",
    "evaluation": "embedded",
    "leaves": 0.0,
    "colors": "gray",
}


def _image(seed=0, shape=(12, 9, 3)):
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def test_gray_is_the_luma_that_gray8_scores():
    image = _image()
    ours = colors.gray(image)
    assert (ours.shape, ours.dtype) == ((12, 9, 1), np.uint8)
    as_floats = lambda levels: np.float32(levels[None]) / 255
    scores = jax.jit(protocols.gray8)(as_floats(image), as_floats(ours.repeat(3, 2)))
    assert np.isinf(scores["psnr"])
    np.testing.assert_array_equal(colors.gray(np.array([[[1, 2, 4]]], np.uint8)), 2)


def test_equal_channels_stay_as_they_are():
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
    np.testing.assert_array_equal(colors.gray(levels.repeat(3, 2)), levels)


def test_a_source_in_gray_keeps_names_and_length():
    source = sources.Arrays([_image(), _image(1)], ["a", "b"])
    ours = colors.applied(source, "gray")
    assert (len(ours), ours.name(1), ours.channels) == (2, "b", 1)
    np.testing.assert_array_equal(ours[1]["image"], colors.gray(_image(1)))
    assert repr(ours) == "Mapped(Arrays(a, b), gray)"
    assert ours.report() == source.report()
    assert colors.applied(source, "rgb") is source


def test_batches_and_evaluation_in_gray_have_one_channel():
    train = pipeline.training_sources(SECTION, 0)
    assert pipeline.channels(SECTION, train) == 1
    batch = next(
        pipeline.batches(
            train, seed=0, batch_size=2, crop=16, first_step=0, colors="gray"
        )
    )
    assert (batch.shape, batch.dtype) == ((2, 16, 16, 1), np.uint8)
    assert pipeline.evaluation_source(SECTION, 16)[0]["image"].shape[2] == 1


def test_pairs_in_gray_are_refused(tmp_path):
    section = {**SECTION, "layout": "AB", "train": str(tmp_path)}
    with pytest.raises(errors.ConfigError, match="pairs stay as they are"):
        pipeline.training_sources(section, 0)


def test_the_public_domain_shares_no_image_with_the_evaluation():
    free, scored = samples.public_domain(), samples.evaluation()
    assert len(free) == 9
    assert not set(free.names) & set(scored.names)
    named = pipeline.training_sources({**SECTION, "train": "public_domain"}, 0)
    assert named[0][0].names == free.names
