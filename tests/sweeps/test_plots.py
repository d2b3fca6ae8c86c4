"""What the plots of a study show, read from the figures' own objects."""

import dataclasses
import json

import jax.numpy as jnp
import numpy as np
import pytest

from jaxrestore import errors, metrics
from jaxrestore.sweeps import curves, figures, grid, pictures, plots

INPUT = 24.0


@pytest.fixture
def study():
    return grid.study(
        {
            "name": "s",
            "config": "c",
            "grid": {"batch_size": [1, 64], "n_epochs": [10, 20, 30]},
            "seeds": 2,
        }
    )


@pytest.fixture
def records(study):
    found = []
    for cell in grid.cells(study):
        psnr = 22 + cell.arm["n_epochs"] / 20 - (cell.arm["batch_size"] > 1) + cell.seed
        row = {"cell": cell.folder, "arm": cell.label, **cell.arm, "seed": cell.seed}
        row |= {"psnr": psnr, "last_psnr": psnr, "input_psnr": INPUT, "images": 4}
        row |= {"gain_psnr": psnr - INPUT, "cosine": psnr / 25, "input_cosine": 0.97}
        row |= {"epoch_seconds": 9.0, "late_epoch_seconds": 8.0, "step_mebibytes": 3.0}
        found.append(row)
    return found


@pytest.fixture
def folders(tmp_path, study):
    found = {}
    for cell in grid.cells(study):
        folder = tmp_path / cell.folder
        folder.mkdir()
        epochs = cell.arm["n_epochs"]
        (folder / "config.json").write_text(json.dumps({"epochs": epochs}))
        rows = [
            {"step": 7 * epoch, "evaluation/psnr": 20 + epoch / 10 + cell.seed}
            for epoch in range(10, epochs + 1, 10)
        ]
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / "metrics.jsonl").write_text(text)
        found[cell.folder] = folder
    return found


def dashed(axes):
    """Where the dashed lines lie: (horizontal ones' y, vertical ones' x)."""
    lines = [line for line in axes.lines if line.get_linestyle() == "--"]
    flat = [line.get_ydata()[0] for line in lines if np.ptp(line.get_ydata()) == 0]
    tall = [line.get_xdata()[0] for line in lines if np.ptp(line.get_xdata()) == 0]
    return flat, tall


def labels(axes):
    return axes.get_legend_handles_labels()[1]


def test_a_line_has_means_deviations_and_the_input(study, records):
    figure = curves.line(study, records, x="n_epochs", lines=["batch_size"])
    (axes,) = figure.axes
    assert labels(axes) == ["input", "BS1", "BS64"]
    first, second = axes.containers
    assert list(first.lines[0].get_xdata()) == [10, 20, 30]
    assert list(first.lines[0].get_ydata()) == [23.0, 23.5, 24.0]
    assert list(second.lines[0].get_ydata()) == [22.0, 22.5, 23.0]
    low, high = first.lines[2][0].get_segments()[0][:, 1]
    assert high - low == pytest.approx(2 * np.std([22.5, 23.5], ddof=1))
    assert dashed(axes)[0] == [INPUT]
    assert axes.get_ylabel() == "PSNR at the end, dB"


def test_arms_that_differ_in_x_alone_are_one_line(study, records):
    figure = curves.line(study, records, x="n_epochs")
    assert labels(figure.axes[0]) == ["input", "BS1", "BS64"]
    assert len(figure.axes[0].containers[1].lines[0].get_xdata()) == 3
    one = grid.study({"name": "s", "config": "c", "grid": {"n_epochs": [10, 20, 30]}})
    figure = curves.line(
        one, [r for r in records if r["batch_size"] == 1], x="n_epochs"
    )
    assert labels(figure.axes[0]) == ["input", "s"]


def test_lines_with_different_inputs_have_each_their_own(study, records):
    for record in records:
        record["input_psnr"] += record["batch_size"] == 64
    figure = curves.line(study, records, x="n_epochs", lines=["batch_size"])
    assert dashed(figure.axes[0])[0] == [INPUT, INPUT + 1]


def test_a_gain_has_the_input_at_zero(study, records):
    figure = curves.line(study, records, x="batch_size", y="gain_psnr")
    assert dashed(figure.axes[0])[0] == [0.0]
    assert figure.axes[0].get_xscale() == "log"


@pytest.mark.parametrize(
    ("score", "expected"),
    [
        ("psnr", INPUT),
        ("last_psnr", INPUT),
        ("cosine", 0.97),
        ("gain_psnr", 0.0),
        ("faces:psnr", 20.0),
        ("faces:gain_psnr", 0.0),
        ("seconds", None),
    ],
)
def test_the_input_s_score_stands_beside_every_score(score, expected, records):
    rows = [{**record, "faces:input_psnr": 20.0} for record in records]
    assert figures.input_score(rows, score) == pytest.approx(expected)


def test_a_history_counts_epochs_and_has_the_input(study, records, folders):
    figure = curves.history(study, records, folders)
    (axes,) = figure.axes
    assert axes.get_xlabel() == "epochs"
    longest = axes.containers[2].lines[0]
    assert list(longest.get_xdata()) == [10, 20, 30]
    assert list(longest.get_ydata()) == pytest.approx([21.5, 22.5, 23.5])
    assert dashed(axes)[0] == [INPUT]


def test_a_history_without_epochs_counts_updates(study, records, folders):
    for folder in folders.values():
        (folder / "config.json").write_text(json.dumps({"epochs": 0}))
    figure = curves.history(study, records, folders)
    assert figure.axes[0].get_xlabel() == "updates"
    longest = figure.axes[0].containers[2].lines[0]
    assert list(longest.get_xdata()) == [70, 140, 210]


def test_cosine_against_psnr_has_the_trend_and_the_input_as_a_cross(study, records):
    figure = curves.scatter(study, records)
    (axes,) = figure.axes
    assert dashed(axes)[0] == pytest.approx([0.97])
    assert dashed(axes)[1] == pytest.approx([INPUT])
    assert "trend, r = 1.00" in labels(axes)


def test_a_legend_of_very_many_arms_names_the_input_and_the_trend_alone():
    _, axes = figures.new_axes()
    for number in range(30):
        axes.scatter([number], [number], label=f"arm {number}")
    figures.draw_trend(axes, [0.0, 1.0, 2.0], [0.0, 1.0, 2.0])
    figures.draw_inputs(axes, [(INPUT, figures.INK)])
    figures.finish(axes, "x", "y")
    shown = [text.get_text() for text in axes.get_legend().get_texts()]
    assert sorted(shown) == ["input", "trend, r = 1.00"]


def test_the_cost_has_both_kinds_of_epoch_and_the_memory(study, records):
    figure = curves.cost(study, records)
    seconds, memory = figure.axes
    assert labels(seconds) == ["normal", "decay"]
    assert [list(c.lines[0].get_ydata()) for c in seconds.containers] == [
        [9, 9],
        [8, 8],
    ]
    assert list(memory.containers[0].lines[0].get_ydata()) == [3, 3]


def test_a_figure_without_numbers_is_not_drawn(study, records, folders):
    assert curves.line(study, records, x="n_epochs", y="ssim") is None
    assert curves.line(study, records, x="norm") is None
    assert curves.scatter(study, records, y="ssim") is None
    assert curves.cost(study, [{"batch_size": 1}]) is None
    assert pictures.sheet(study, [], folders) is None
    assert pictures.sets(study, records, folders) is None


def test_sets_takes_the_detail_of_what_the_test_asks(
    study, records, folders, monkeypatch
):
    asked = {"evaluation.maps.samples": 8, "n_epochs": 7}
    home = folders[records[0]["cell"]] / "config.json"
    config = {"n_epochs": 1, "evaluation": {"maps": {"samples": 0}}}
    home.write_text(json.dumps(config))
    seen = []
    monkeypatch.setattr(pictures, "details", lambda x: (seen.append(x), {"a": 2.0})[1])
    tested = dataclasses.replace(study, tests={"train": asked})
    scored = [{**record, "train:psnr": 21.0} for record in records]
    assert pictures.sets(tested, scored, folders) is not None
    first, second = seen
    assert (first["n_epochs"], first["evaluation"]["maps"]) == (1, {"samples": 0})
    assert (second["n_epochs"], second["evaluation"]["maps"]) == (7, {"samples": 8})
    misspelt = dataclasses.replace(study, tests={"train": {"n_epoch": 7}})
    with pytest.raises(errors.ConfigError, match="did you mean 'n_epochs'"):
        pictures.sets(misspelt, scored, folders)


def test_detail_is_the_spatial_frequency():
    stripes = np.array([[[0], [3]], [[4], [7]]], np.uint8)
    assert pictures.detail(stripes) == 5.0  # the root of 3^2 across and 4^2 down
    assert pictures.detail(np.full((5, 4, 3), 9, np.uint8)) == 0.0
    assert pictures.detail(np.zeros((1, 1, 3), np.uint8)) == 0.0


def test_detail_falls_with_blur_as_sharpness_does():
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    halves = np.array(image).reshape(32, 2, 32, 2, 3).mean((1, 3)).astype(np.uint8)
    blurred = np.repeat(np.repeat(halves, 2, 0), 2, 1)
    ratio = pictures.detail(blurred) ** 2 / pictures.detail(image) ** 2
    as_batch = [jnp.asarray(x[None], jnp.float32) / 255 for x in (blurred, image)]
    # The two divide by other counts of pixels: 63 of 64.
    assert ratio == pytest.approx(float(metrics.sharpness(*as_batch)[0]), rel=0.02)


def test_a_plot_can_be_of_some_arms_only(study, records, folders, tmp_path):
    only = {"kind": "line", "x": "n_epochs", "only": {"batch_size": 64}, "name": "a"}
    none = {"kind": "line", "x": "n_epochs", "only": {"batch_size": 65}}
    chosen = grid.study({"name": "s", "config": "c", "plots": [only, none]})
    plots.check(chosen)
    (path,) = plots.draw(tmp_path, chosen, records, folders)
    assert path.name == "a.png" and path.stat().st_size > 1000
    assert "<svg" in (tmp_path / "plots" / "a.svg").read_text()


def test_a_study_without_plots_has_a_line_for_each_key_of_numbers(study):
    kinds = [(plot["kind"], plot.get("x")) for plot in plots.default(study)]
    assert kinds[:2] == [("line", "batch_size"), ("line", "n_epochs")]
    assert [kind for kind, _ in kinds[2:]] == ["history", "scatter", "sheet", "gains"]
