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


def with_holes(rows, before, after):
    """The rows with `hole_psnr` too."""
    scores = zip(rows, before, after, strict=True)
    return [
        {**row, "degraded_hole_psnr": x, "restored_hole_psnr": y}
        for row, x, y in scores
    ]


def test_where_holes_are_scored_apart_they_alone_rank():
    # The second leaves the known pixels as they are, and fills the holes worse.
    first = with_holes(scored([24.0, 26.0]), [6.0, 6.0], [21.0, 23.0])
    second = with_holes(scored([28.0, 29.0]), [6.0, 6.0], [20.0, 21.0])
    assert summaries.ranking(first) == pytest.approx(22)
    assert summaries.ranking(second) == pytest.approx(20.5)


def test_an_image_without_a_hole_does_not_rank():
    rows = with_holes(scored([24.0, np.inf]), [6.0, np.nan], [21.0, np.nan])
    assert summaries.ranking(rows) == pytest.approx(21)
    rows = with_holes(scored([24.0, 26.0]), [np.nan] * 2, [np.nan] * 2)
    assert summaries.ranking(rows) == pytest.approx(25)


def test_a_hole_that_was_filled_with_nan_ranks_last():
    rows = with_holes(scored([np.nan, 24.0]), [6.0, 6.0], [np.nan, 21.0])
    assert np.isnan(summaries.ranking(rows))


def test_a_rate_that_waits_goes_on_waiting_after_an_exact_image():
    # As `run.evaluated` reckons: one exact image, then evaluations that get better.
    known = optimizers.plateau()
    for psnrs in ([26.6, np.inf], *([30.0 + 2 * i, 50.0] for i in range(8))):
        error = 10 ** (-summaries.ranking(scored(psnrs)) / 10)
        known = optimizers.on_plateau(known, error)
    assert float(optax.tree.get(known, "scale")) == 1
