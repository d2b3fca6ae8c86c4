"""200 random inputs each, against the libraries that the field counts by."""

import json
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
import skimage.metrics
from golden import ms_ssim

from jaxrestore import metrics

GOLDEN = Path(__file__).parent / "golden" / "ms_ssim.json"
COUNT, BATCH = 200, 20


@pytest.fixture(scope="module")
def our_ms_ssim():
    pair = ms_ssim.pair
    target, damaged = (np.stack(x) for x in zip(*map(pair, range(COUNT)), strict=True))
    compiled = jax.jit(metrics.ms_ssim)
    batches = [slice(start, start + BATCH) for start in range(0, COUNT, BATCH)]
    return np.concatenate([compiled(damaged[at], target[at]) for at in batches])


@pytest.mark.parametrize("peer", ["pytorch_msssim", "piq"])
def test_ms_ssim_of_five_scales_equals_its_peers(our_ms_ssim, peer):
    golden = np.array(json.loads(GOLDEN.read_text())[peer])
    assert len(golden) == COUNT and golden.min() < 0.2 and golden.max() > 0.99
    np.testing.assert_allclose(our_ms_ssim, golden, rtol=0, atol=1e-5)


def _pairs():
    generator = np.random.default_rng(0)
    target = generator.random((COUNT, 24, 31, 3), np.float32)
    noise = generator.standard_normal(target.shape).astype(np.float32)
    level = 10 ** generator.uniform(-3, 0, (COUNT, 1, 1, 1)).astype(np.float32)
    return np.clip(target + level * noise, 0, 1), target


SSIM: dict[str, Any] = {"data_range": 1, "channel_axis": -1}
GAUSSIAN = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
PEERS = {
    "psnr": lambda a, b: skimage.metrics.peak_signal_noise_ratio(b, a, data_range=1),
    "ssim": lambda a, b: skimage.metrics.structural_similarity(
        a, b, **SSIM, **GAUSSIAN
    ),
    "ssim_skimage": lambda a, b: skimage.metrics.structural_similarity(a, b, **SSIM),
    "nrmse": lambda a, b: skimage.metrics.normalized_root_mse(b, a),
}


@pytest.mark.parametrize("name", PEERS)
def test_a_metric_equals_scikit_image(name):
    a, b = _pairs()
    ours = np.asarray(jax.jit(getattr(metrics, name))(a, b))
    theirs = [PEERS[name](x, y) for x, y in zip(*map(np.float64, (a, b)), strict=True)]
    assert np.ptp(theirs) > 0.1
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5)
