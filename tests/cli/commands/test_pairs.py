"""`jaxrestore degrade`: its help, its options and what it refuses."""

import re

import numpy as np
import pytest
from typer.testing import CliRunner

from jaxrestore import degradations, errors, images
from jaxrestore.cli import app
from jaxrestore.ops import ranges


@pytest.fixture
def degrade(tmp_path):
    """`degrade(kind, KEY=VALUE, …)` damages one picture; the error, if there is one."""
    picture = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    images.encode(picture, tmp_path / "a.png")

    def run(kind, *options):
        settings = [word for option in options for word in ("--set", option)]
        places = [str(tmp_path / name) for name in ("a.png", "set")]
        done = CliRunner().invoke(
            app.app, ["degrade", *places, "--kind", kind, *settings]
        )
        assert done.exit_code == (1 if done.exception else 0)
        assert (tmp_path / "set").exists() == (done.exception is None)
        return done.exception

    return run


def test_help_has_the_kinds_and_the_list_has_options_defaults_and_ranges():
    told = CliRunner().invoke(app.app, ["degrade", "--help"]).output
    assert all(kind in told for kind in degradations.kinds()) and "batched" not in told
    listed = CliRunner().invoke(app.app, ["degrade", "--list"])
    assert listed.exit_code == 0
    rows = [line.split() for line in listed.output.splitlines()]
    for kind in degradations.kinds():
        home = __import__(f"jaxrestore.degradations.{kind}", fromlist=["degrade"])
        for option in ranges.options(home.degrade):
            assert [kind, option] in [row[:2] for row in rows]
    assert ["pixel_shuffle", "rate", "0.4", "0", "to", "1"] in rows
    lines = [" ".join(row) for row in rows]
    for line in (
        "pixel_shuffle order 'raster' raster, colour",
        "downsample method 'bicubic' bicubic, bilinear, area",
        "jpeg rounding 'straight_through' straight_through, cubic",
        "jpeg subsampling '4:2:0' 4:2:0, 4:4:4, or 0 to 1 (the probability of 4:2:0)",
        "noise level_map False True, False",
    ):
        assert line in lines


def test_one_pair_is_told_with_the_file_of_its_settings(degrade, tmp_path):
    output = tmp_path / "new"
    words = ["degrade", str(tmp_path / "a.png"), str(output), "--kind", "noise"]
    said = CliRunner().invoke(app.app, words).output
    settings = output / "degradation.json"
    assert said == f"1 pair in {output}; its settings are in {settings}\n"


@pytest.mark.parametrize(
    ("kind", "option", "message"),
    [
        (
            "noise",
            "level=25",
            r"level of 'gaussian' is 25, .*noise\.py takes 0 to 1.*25/255",
        ),
        ("noise", "level=-1", "is -1"),
        ("pixel_shuffle", "rate=40", r"rate is 40, but degradations/pixel_shuffle\.py"),
        ("pixel_shuffle", "rate=1/0", "rate is '1/0'"),
        ("pixel_shuffle", "radius=0", "radius is 0, .* whole numbers, 1 or more"),
        ("pixelate", "block=0", "block is 0"),
        ("jpeg", "subsampling=420", r"is 420, but .*jpeg\.py takes 4:2:0, 4:4:4, or 0"),
        ("noise", "kind=gausian", "'gausian', but .* takes gaussian, .* of these"),
        ("noise", "grain={'whit': 1}", "takes white, blurred, .* of these"),
        ("scratches", "deviation=300", "0 to 255 .*a level in"),
        (
            "chain",
            "stages=[{'name': 'blur'}, {'name': 'noise', 'level': 25}]",
            "stage 2 of the chain: level of 'gaussian' is 25",
        ),
        ("batched", "recipe=1", "there is no degradation 'batched'"),
    ],
)
def test_a_number_outside_its_range_is_told_before_anything_is_written(
    degrade, kind, option, message
):
    error = degrade(kind, option)
    assert isinstance(error, errors.ConfigError)
    assert re.search(message, str(error)), error


def test_a_level_may_be_given_as_a_fraction_of_255(degrade):
    assert degrade("noise", "level=25/255") is None
