"""The table of a study: means, deviations, and how they are printed."""

import csv
import statistics

import pytest

from jaxrestore.sweeps import grid, table


@pytest.fixture
def study():
    return grid.study(
        {
            "name": "s",
            "config": "c",
            "grid": {"batch_size": [1, 64]},
            "seeds": 3,
            "tests": {"faces": {}},
        }
    )


def records(study):
    psnr = {1: (22.0, 23.0, 24.5), 64: (21.5, None, None)}
    found = []
    for cell in grid.cells(study):
        value = psnr[cell.arm["batch_size"]][cell.seed]
        if value is not None:
            row = {"cell": cell.folder, "arm": cell.label, **cell.arm, "psnr": value}
            found.append(row | {"input_psnr": 24.0, "faces:gain_psnr": value - 23})
    return found


def test_an_arm_has_mean_and_sample_deviation_over_its_runs(study):
    one, many = table.summarize(study, records(study))
    assert (one["arm"], one["n"], many["arm"], many["n"]) == ("BS1", 3, "BS64", 1)
    assert one["psnr"] == pytest.approx(69.5 / 3)
    assert one["psnr_std"] == pytest.approx(statistics.stdev([22.0, 23.0, 24.5]))
    assert many["psnr"] == 21.5 and many["psnr_std"] is None
    assert one["ssim"] is None


def test_numbers_are_printed_as_papers_print_them():
    assert table.number(22.314, 0.118, 2) == "22.31 ± 0.12"
    assert table.number(1.25, None, 1, signed=True) == "+1.2"
    assert table.number(-0.5, None, 2, signed=True) == "-0.50"
    assert table.number(0.99361, 0.0, 4) == "0.9936 ± 0.0000"
    assert table.number(None, None, 2) == "-"
    assert table.number(float("inf"), None, 2) == "-"


def test_columns_without_a_number_are_not_printed_and_one_run_has_no_deviation(study):
    headings, rows = table.printed(study, table.summarize(study, records(study)))
    assert headings == [
        *("arm", "batch_size", "n", "input PSNR, dB", "PSNR, dB"),
        "gain on faces, dB",
    ]
    assert rows[0] == ["BS1", "1", "3", "24.00 ± 0.00", "23.17 ± 1.26", "+0.17 ± 1.26"]
    assert rows[1] == ["BS64", "64", "1", "24.00", "21.50", "-1.50"]


def test_the_files_hold_every_cell_and_every_arm(tmp_path, study):
    table.write(tmp_path, study, records(study))
    with (tmp_path / "table.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 4 and rows[2]["psnr"] == "24.5"
    with (tmp_path / "summary.csv").open(newline="") as file:
        assert [row["n"] for row in csv.DictReader(file)] == ["3", "1"]
    lines = (tmp_path / "summary.md").read_text().splitlines()
    assert [cell.strip() for cell in lines[2].split("|")[1:5]] == [
        *("BS1", "1", "3", "24.00 ± 0.00")
    ]
    assert {line.count("|") for line in lines[:4]} == {7}
