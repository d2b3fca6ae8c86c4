"""The report is one file, says what is true of the run, and hides what it must."""

import base64
import errno
import hashlib
import os
import re
import subprocess
import sys

import numpy as np
import pytest

from jaxrestore import errors, images
from jaxrestore.evaluation import curves, report

NAMES = ("chelsea", "coffee", "rocket", "moon", "text", "brick")
PLAYER_KEYS = ("loss", "grad_norm", "rate")
DISCRIMINATOR_KEYS = ("logit_real", "logit_fake", "accuracy_real", "accuracy_fake")


def scores(gain):
    return {"degraded": 20.0, "restored": 20.0 + gain, "gain": gain} | {
        "median": gain,
        "p05": gain - 1,
        "ci95": [gain - 0.5, gain + 0.5],
    }


def summary(gain=4.0, images=6):
    names = ("psnr", "ssim", "ms_ssim", "cosine")
    return {"metrics": {name: scores(gain) for name in names}} | {
        "share_better_than_input": 1.0,
        "images": images,
        "protocol": "rgb8",
        "seconds": 1.9,
        "step": 800,
        "parameters": {"generator": 84995},
    }


def row(name, gain):
    parts = {"degraded": 20.0, "restored": 20.0 + gain, "gain": gain}
    metrics = ("psnr", "ssim", "ms_ssim", "cosine")
    return {"image": name} | {f"{p}_{m}": parts[p] for p in parts for m in metrics}


def history(adversary=True, length=8):
    keys = [f"generator/{key}" for key in (*PLAYER_KEYS, "restored/l1")]
    if adversary:
        keys += [f"discriminator/{k}" for k in (*PLAYER_KEYS, *DISCRIMINATOR_KEYS)]
    keys += ["evaluation/psnr", "evaluation/degraded_psnr", "evaluation/ssim"]
    keys += ["time/data", "time/device", "images_per_second"]
    return [
        {"step": step, "seconds": 5.0 * step} | {key: 1 / step for key in keys}
        for step in range(1, length + 1)
    ]


def strip(seed, panels=4):
    return np.random.default_rng(seed).integers(0, 256, (8, 8 * panels, 3), np.uint8)


@pytest.fixture(scope="module")
def run():
    return report.Run(
        title="gan_full-demo",
        summary=summary(),
        rows=[row(name, gain) for gain, name in enumerate(NAMES)],
        strips={name: strip(seed) for seed, name in enumerate(NAMES)},
        history=history(),
        config={"generator": {"name": "nafnet", "blocks": [1, 2]}, "seed": 0},
        environment={"jaxrestore": "0.1.0", "device": "cpu"},
    )


@pytest.fixture(scope="module")
def full(run, tmp_path_factory):
    path = tmp_path_factory.mktemp("full") / "report.html"
    report.write(path, run)
    return path.read_text("utf-8")


@pytest.fixture
def page(tmp_path):
    def render(run):
        report.write(tmp_path / "report.html", run)
        return (tmp_path / "report.html").read_text("utf-8")

    return render


def test_a_full_run_has_every_section_in_order(full):
    ids = re.findall(r'<section id="(\w+)"', full)
    assert ids == ["summary", "curves", "quality", "images", "time", "config"]
    for said in (
        "+4.00 dB",
        "+3.50 to +4.50",
        "<b>100 %</b>",
        "Discriminator accuracy",
    ):
        assert said in full
    assert "<td>generator.blocks</td><td>[1, 2]</td>" in full
    assert full.count("<svg") == 2
    assert full.count("data:image/png") == len(NAMES) + 2  # those of the slider


def test_the_worst_image_is_at_the_top_with_a_slider_and_a_scale(full):
    top = full[full.index('class="headline"') : full.index("<table>")]
    assert "chelsea, which gained least" in top
    for what in ("restored", "the input"):
        assert f'alt="chelsea, {what}"' in top
    assert '<input type="range"' in top and 'alt="chelsea: input, restored' in top
    assert "Error: restored less target, 4 times larger around grey." in top
    assert "white is 32 of 255 too bright or more" in top


def test_the_only_script_that_may_run_is_the_slider_s(full):
    (source,) = re.findall(r"<script>(.*?)</script>", full, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in full
    assert not re.findall(r"\son\w+=", full)


def test_the_strips_lie_beside_the_report_as_they_are(run, tmp_path):
    named = {"cats/a.jpg": strip(1), "cats a.jpg": strip(2)}
    report.write(tmp_path / "report.html", run._replace(strips=named, history=[]))
    found = sorted((tmp_path / "strips").iterdir())
    assert [file.name for file in found] == ["cats_a.png", "cats_a_2.png"]
    for file, picture in zip(found, named.values(), strict=True):
        np.testing.assert_array_equal(images.decode(file), picture)


def test_a_run_without_an_adversary_has_no_discriminator_panel(run, page):
    text = page(run._replace(history=history(adversary=False)))
    assert "iscriminator" not in text
    assert "without an adversary" in text
    assert "Gradient norm" in text


def test_every_panel_of_a_figure_has_its_sentence(run, page):
    row = {curve.key: 20.0 for curve in (*curves.PLAYERS, *curves.QUALITY)}
    text = page(run._replace(history=[{"step": 1, "seconds": 1.0, **row}]))
    for panel in {curve.panel for curve in (*curves.PLAYERS, *curves.QUALITY)}:
        assert re.search(rf"<li><b>{panel}\.</b> (Healthy|Check): ", text), panel


def test_a_run_without_history_says_so_and_draws_nothing(run, page):
    text = page(run._replace(history=[]))
    assert "<svg" not in text
    assert text.count("No training history") == 2
    assert "No times were logged" in text


@pytest.mark.parametrize("hidden", ["chelsea", "brick"])  # least gain, greatest gain
@pytest.mark.parametrize("on_purpose", [True, False])
def test_an_image_without_a_strip_is_scored_but_not_shown(
    run, page, hidden, on_purpose
):
    strips = {name: run.strips[name] for name in NAMES if name != hidden}
    withheld = frozenset({hidden} if on_purpose else ())
    text = page(run._replace(strips=strips, history=[], withheld=withheld))
    assert f'{hidden} <small class="soft">not shown' in text
    assert ("photograph of a person" in text) == on_purpose
    assert ("made of the first images alone" in text) != on_purpose
    assert f'alt="{hidden}' not in text
    assert text.count("data:image/") == len(NAMES) - 1 + 2


def test_the_worst_images_come_first_and_infinite_gains_last(run, page):
    perfect = row("perfect", 0) | {"restored_psnr": None, "gain_psnr": None}
    spoilt = row("spoilt", 0) | {"degraded_psnr": None, "gain_psnr": None}
    text = page(run._replace(rows=[perfect, *run.rows[::-1], spoilt], history=[]))
    shown = re.findall(r"<figcaption><b>(\w+)</b>", text)
    assert shown[:5] == [
        "chelsea",
        "spoilt",
        *NAMES[1:4],
    ]  # the first shown is at the top
    assert "chelsea, which gained least of those that are shown" in text
    assert "The 5 worst" in text
    assert "perfect: Scored, but not drawn" in text


def test_special_characters_in_names_are_escaped(run, page):
    evil = '<script>alert("x")</script>'
    text = page(
        run._replace(
            title=evil,
            rows=[row(evil, 1.0)],
            strips={evil: strip(0)},
            history=[{"step": 1, "seconds": 1.0, f"generator/restored/{evil}": 1.0}],
            config={evil: evil},
            environment={evil: evil},
        )
    )
    assert text.count("<script") == 1  # of the slider
    assert "&lt;script&gt;" in text


def test_a_score_that_is_none_renders(run, page):
    nothing = dict.fromkeys(("degraded", "restored", "gain", "median", "p05", "ci95"))
    rows = [{key: None for key in run.rows[0]} | {"image": "chelsea"}]
    metrics = {"psnr": nothing, "ssim": nothing}
    holes = [{"step": 1, "seconds": 1.0, "evaluation/psnr": None}]
    text = page(
        run._replace(
            summary={**summary(), "metrics": metrics, "parameters": None},
            rows=rows,
            history=holes,
        )
    )
    assert "no mean PSNR gain" in text
    assert "None" not in text
    assert "∞" in text


def test_the_file_asks_nothing_of_any_other_host(full):
    targets = re.findall(r'(?:src|href)\s*=\s*"([^"]*)"', full)
    assert targets
    assert all(target.startswith(("data:image/", "#")) for target in targets)
    assert "url(http" not in full
    assert "@import" not in full


def test_ids_are_unique_and_links_within_the_page_arrive(full):
    ids = re.findall(r'\bid="([^"]*)"', full)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]*)"', full)) <= set(ids)


def test_writing_leaves_no_temporary_file_and_replaces_the_old_report(run, tmp_path):
    path = tmp_path / "report.html"
    path.write_text("old")
    report.write(path, run._replace(history=[]))
    names = sorted(file.name for file in tmp_path.iterdir())
    assert names == ["report.html", "strips"]
    pictures = sorted(file.name for file in (tmp_path / "strips").iterdir())
    assert pictures == sorted(f"{name}.png" for name in NAMES)
    assert path.read_text("utf-8").startswith("<!doctype html>")


def test_a_failed_write_keeps_the_old_report(run, tmp_path, monkeypatch):
    path = tmp_path / "report.html"
    path.write_text("old")

    def refuse(*_):
        raise OSError(errno.ENOSPC, "disk full")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(errors.DiskError, match="disk full"):
        report.write(path, run._replace(history=[]))
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]
    assert path.read_text("utf-8") == "old"


@pytest.mark.parametrize(
    ("gain", "sentence"),
    [
        (0.01, "The output's PSNR equals its input's:"),
        (-0.05, "The output's PSNR equals its input's:"),
        (-1.0, "The output is worse than its own input:"),
        (0.3, "The gain is not established:"),
    ],
)
def test_a_gain_that_is_no_gain_is_said_plainly(run, page, full, gain, sentence):
    assert sentence in page(run._replace(summary=summary(gain), history=[]))
    assert 'class="warning"' not in full


@pytest.mark.parametrize(("gain", "red"), [(-0.01, 0), (0.01, 3)])
def test_an_error_that_falls_is_no_loss_and_one_that_rises_is(run, page, gain, red):
    error = {"degraded": 0.05, "restored": 0.05 + gain, "gain": gain}
    spread = {"median": gain, "p05": 0.0, "ci95": [None, None]}
    metrics = {"psnr": scores(4.0), "mse": error | spread}
    rows = [row("coffee", 4.0) | {f"{part}_mse": x for part, x in error.items()}]
    changed = run.summary | {"metrics": metrics}
    text = page(run._replace(summary=changed, rows=rows, history=[]))
    # Mean and median of the summary, and the image's own gain.
    assert text.count('class="loss"') == red
    assert "Higher is better in every row, lower in MSE: the gain of an error" in text


def _holes():
    """A run under the protocol of holes: two classes, one image in none."""
    names = ("psnr", "hole_psnr", "hole_l1")
    numbers = {"mean": 0.125, "median": 0.1, "p05": 0.1, "images": 2, "infinite": 0}
    exact = numbers | {"mean": None, "images": 0, "infinite": 2}
    small = {"above": 0.01, "up_to": 0.1, "images": 2}
    large = {"above": 0.5, "up_to": 0.6, "images": 3}
    return {
        "metrics": {name: scores(4.0) for name in names},
        "holes": {
            "classes": [
                small | {"metrics": dict.fromkeys(names, numbers)},
                {"above": 0.1, "up_to": 0.2, "images": 0, "metrics": {}},
                large | {"metrics": dict.fromkeys(names, exact)},
            ],
            "outside": 1,
            "intact_psnr": numbers | {"mean": 41.234, "infinite": 4},
        },
    }


def test_scores_of_holes_stand_in_rows_by_what_was_lost(run, page, full):
    rows = [row | {"hole_share": 0.234} for row in run.rows]
    text = page(run._replace(summary=run.summary | _holes(), rows=rows, history=[]))
    cells = [
        re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", line)
        for line in re.findall(r"<tr>.*?</tr>", text, re.DOTALL)
    ]
    assert ["Lost", "Images", "PSNR, dB", "Hole PSNR, dB", "Hole L1"] in cells
    assert ["1-10 %", "2", "0.12", "0.12", "0.1250"] in cells
    assert ["50-60 %", "3", "∞", "∞", "∞"] in cells
    assert not [line for line in cells if line and line[0] == "10-20 %"]
    assert (
        "<p>1 image in no class: 1 % or less was lost, or more than 60 %.</p>" in text
    )
    assert (
        "<p>Known pixels changed in 2 images, with a PSNR of 41.23 dB, exact in 4.</p>"
        in text
    )
    assert text.count(", 23 % lost") == len(NAMES)
    assert "lost" not in full and "nown pixels" not in full


MAPS = ("consistency", "sample 1", "sample 2", "sample 3", "deviation")
FIGURES = {
    "consistency_psnr": 41.25,
    "samples_deviation": 2.345,
    "samples_correlation": 0.678,
}


def with_maps(run, **changes):
    """A run whose report has maps of every image."""
    panels = (*report.Run._field_defaults["panels"], *MAPS)
    return run._replace(
        summary=run.summary | FIGURES | changes,
        rows=[row | FIGURES | changes for row in run.rows],
        strips={name: strip(seed, 9) for seed, name in enumerate(NAMES)},
        panels=panels,
        config={"evaluation": {"samples": 24}},
        history=[],
    )


def test_every_panel_of_a_strip_has_its_head_in_lines_of_at_most_five(run, page):
    text = page(with_maps(run))
    lines = re.findall(r'<div class="heads">(.*?)</div>', text)
    assert len(lines) == 2 * len(NAMES)
    heads = [re.findall(r"<span>(.*?)</span>", line) for line in lines[:2]]
    assert heads[0] == ["input", "restored", "target", "error", "consistency"]
    assert heads[1] == ["sample 1", "sample 2", "sample 3", "deviation"]
    assert text.count("--across: 5") == len(NAMES)
    # The second line has panels as wide as those of the first.
    assert text.count('style="width: 80%"') == len(NAMES)
    assert 'alt="coffee: sample 1, sample 2, sample 3 and deviation, ' in text


def test_a_page_without_maps_has_one_line_a_strip_and_no_word_of_them(full):
    assert full.count("--across: 4") == full.count('<div class="heads">') == len(NAMES)
    assert not [x for x in ("onsisten", "deviat", "ttention") if x in full]
    assert 'style="width: 80%' not in full


def test_the_figures_of_the_maps_are_said_below_the_summary(run, page):
    text = page(with_maps(run))
    summary = text[: text.index('<section id="curves"')]
    assert "Consistency 41.25 dB" in summary
    assert "Samples deviate by 2.35 of 255" in summary
    assert "over 24 samples" in summary and "is +0.68 on average" in summary
    assert "white from 16 of 255" in summary
    assert "one image to any eye" not in summary
    captions = re.findall(r"<figcaption>.*?</figcaption>", text, re.DOTALL)
    assert len(captions) == len(NAMES)
    for caption in captions:
        assert ", consistency 41.25 dB" in " ".join(caption.split())
        assert "deviation 2.35 (correlation with the error +0.68)" in caption


def test_the_colours_of_attention_are_said_where_there_is_such_a_panel(run, page):
    panels = (*report.Run._field_defaults["panels"], "attention")
    strips = {name: strip(seed, 5) for seed, name in enumerate(NAMES)}
    text = page(run._replace(strips=strips, panels=panels, history=[]))
    assert text.count("<span>attention</span>") == len(NAMES)
    assert "<b>Attention:</b>" in text and "red: right, lime: down" in text


def test_samples_that_hardly_differ_are_called_one_image(run, page):
    text = page(with_maps(run, samples_deviation=0.1, samples_correlation=None))
    assert "one image to any eye" in text
    assert "is \N{EN DASH} on average" in text


def test_perfect_consistency_is_infinite(run, page):
    assert "Consistency ∞ dB" in page(with_maps(run, consistency_psnr=None))


def test_the_rows_of_all_outputs_are_drawn_and_the_kl_term_is_explained(run, page):
    keys = ("restored/mse", "latent/kl_gaussian", "loss", "adversarial", "rate")
    history = [
        {"step": step, "seconds": 1.0 * step}
        | {f"generator/{key}": 1.0 / step for key in keys}
        for step in (1, 2)
    ]
    found = [(row.key, row.label) for row in curves.objective(history)]
    assert found == [
        ("generator/restored/mse", "mse"),
        ("generator/latent/kl_gaussian", "latent/kl_gaussian"),
    ]
    text = page(run._replace(history=history))
    assert "posterior has collapsed" in text
    assert "collapsed" not in page(run._replace(history=history[:0]))


def test_a_strip_too_large_for_png_is_jpeg_and_the_page_says_so(run, page, full):
    noise = np.random.default_rng(0).integers(0, 256, (256, 1024, 3), np.uint8)
    text = page(run._replace(strips={"chelsea": noise}, history=[]))
    assert "data:image/jpeg" in text
    assert "Large strips are JPEG" in text
    assert "JPEG" not in full


def test_importing_the_report_loads_neither_matplotlib_nor_jinja():
    code = "import sys, jaxrestore.evaluation.report; print(sorted(sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert "'matplotlib'" not in loaded
    assert "'jinja2'" not in loaded
