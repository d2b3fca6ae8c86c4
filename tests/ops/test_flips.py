"""Left and right, up and down are treated alike where nothing is drawn.

Not so by design: `downsample` where its scale does not divide the side, odd sides that
are continued at one end, the grid of JPEG blocks, and raster order.
"""

import jax
import numpy as np
import pytest

from jaxrestore.degradations import blur, downsample, pixelate
from jaxrestore.ops import filters, resize

KEY = jax.random.key(0)
IMAGE = np.random.default_rng(0).random((24, 36, 2), np.float32)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize(
    "change",
    [
        lambda x: pixelate.degrade(KEY, x, side=6),
        lambda x: pixelate.interpolated(KEY, x, side=7, method="linear"),
        lambda x: pixelate.interpolated(KEY, x, side=7, method="cubic"),
        lambda x: blur.degrade(KEY, x, kind="isotropic", deviation=1.5, size=9),
        lambda x: downsample.degrade(KEY, x, scale=3),
        lambda x: downsample.degrade(KEY, x, scale=3, method="area"),
        lambda x: resize.resize(x, 17, 50),
        lambda x: resize.resize(x, 17, 50, method="bilinear", antialias=False),
        filters.halve,
    ],
)
def test_a_mirrored_image_gives_the_mirrored_result(change, axis):
    change = jax.jit(change)
    ours, mirrored = change(np.flip(IMAGE, axis)), np.flip(change(IMAGE), axis)
    np.testing.assert_allclose(ours, mirrored, atol=2e-6)
