"""What restoring holds beside the image and its result: as much for any size."""

import tracemalloc

import numpy as np
import pytest

from jaxrestore.inference import caution, jpeg_cells, restorer
from jaxrestore.ops import levels

WAYS = {
    "as it is": {},
    "half as strong": {"strength": 0.5},
    "within its cells": {
        "cells": [jpeg_cells.Component(np.full((8, 8), 40), 2, 2)] * 3
    },
    "of 16 bits": {},
    "with alpha": {},
}


def _image(height, way):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (height, 128, 3 + (way == "with alpha")), np.uint8)
    image[height // 3 : height // 2] = 255  # which recurs, across bands
    image[..., 3:] |= 1  # nothing is hidden, else the nearest colours are sought
    return image.astype(np.uint16) * 257 if way == "of 16 bits" else image


def _restored(image, way):
    network = restorer.Restorer(
        lambda images: 0.9 * images + 0.03,
        1,
        1,
        "stand_in",
        reach=3,
        caution=caution.Caution(0.03, True),
    )
    return restorer.restore_image(network, image, tile=64, **WAYS[way])


@pytest.mark.parametrize("way", WAYS)
def test_a_large_image_needs_no_more_than_a_small_one(monkeypatch, way):
    for module in (levels, caution):
        monkeypatch.setattr(module, "_BAND", 128 * 64)

    def beside(height):
        image = _image(height, way)
        tracemalloc.start()
        result = _restored(image, way)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak - result.nbytes

    beside(256)  # the first call imports
    small, large = beside(256), beside(4096)
    assert large < 1.2 * small + 2**16


@pytest.mark.parametrize("way", WAYS)
def test_bands_give_what_the_whole_image_gives(monkeypatch, way):
    image = _image(300, way)
    whole = _restored(image, way)
    assert (whole != image).any()
    for module in (levels, caution):
        monkeypatch.setattr(module, "_BAND", 128 * 40)
    np.testing.assert_array_equal(_restored(image, way), whole)
