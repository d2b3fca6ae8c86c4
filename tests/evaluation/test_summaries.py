import numpy as np
import optax
import pytest

from jaxrestore.evaluation import summaries
from jaxrestore.fitting import optimizers


def test_the_summary_has_the_spread_of_the_gain():
    gains = [1.0, 2.0, 3.0, 4.0, -1.0]
    rows = [
        {
            "image": str(i),
            "degraded_psnr": 20.0,
            "restored_psnr": 20.0 + gain,
            "gain_psnr": gain,
        }
        for i, gain in enumerate(gains)
    ]
    psnr = summaries.summarize(rows)["metrics"]["psnr"]
    assert psnr["gain"] == pytest.approx(1.8)
    assert psnr["median"] == 2
    assert psnr["p05"] == pytest.approx(np.percentile(gains, 5))
    half = 1.96 * np.std(gains, ddof=1) / np.sqrt(5)
    assert psnr["ci95"] == pytest.approx([1.8 - half, 1.8 + half])
    assert summaries.summarize(rows)["share_better_than_input"] == pytest.approx(0.8)


def scored(psnrs, before=20.0):
    return [
        {
            "image": str(i),
            "degraded_psnr": before,
            "restored_psnr": psnr,
            "gain_psnr": float(summaries.gain(before, psnr)),
        }
        for i, psnr in enumerate(psnrs)
    ]


def test_means_are_of_the_images_that_have_finite_numbers_and_say_how_many():
    rows = scored([26.0, 28.0, np.inf])
    summary = summaries.summarize(rows)
    psnr = summary["metrics"]["psnr"]
    assert (psnr["degraded"], psnr["restored"], psnr["gain"]) == (20, 27, 7)
    assert psnr["images"] == 2 and summary["images"] == 3
    assert summary["share_better_than_input"] == 1
    assert summaries.of_finite(psnr, 3).startswith(" (means of the 2 of 3 images")
    assert summaries.of_finite(psnr, 2) == ""


def test_one_image_has_a_gain_and_no_interval():
    psnr = summaries.summarize(scored([26.0]))["metrics"]["psnr"]
    assert psnr["gain"] == 6 and psnr["ci95"] == [None, None]


def test_one_exact_image_does_not_decide_which_checkpoint_is_best():
    worse, better = [26.6, 26.4, 25.8, np.inf], [31.7, 32.4, 31.7, 55.6]
    assert summaries.ranking(scored(worse)) < summaries.ranking(scored(better))
    # Below the bound it is the mean, and what is not defined stays so.
    assert summaries.ranking(scored(better)) == pytest.approx(np.mean(better))
    assert np.isnan(summaries.ranking(scored([30.0, np.nan])))
    rounded = np.random.default_rng(0).random((100, 100))
    error = (np.round(rounded * 255) / 255 - rounded) ** 2
    assert -10 * np.log10(error.mean()) == pytest.approx(summaries.EXACT_DB, abs=0.1)


def test_a_rate_that_waits_goes_on_waiting_after_an_exact_image():
    # As `run.evaluated` reckons: one exact image, then evaluations that get better.
    known = optimizers.plateau()
    for psnrs in ([26.6, np.inf], *([30.0 + 2 * i, 50.0] for i in range(8))):
        error = 10 ** (-summaries.ranking(scored(psnrs)) / 10)
        known = optimizers.on_plateau(known, error)
    assert float(optax.tree.get(known, "scale")) == 1
