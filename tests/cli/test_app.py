import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

from jaxrestore import __version__, errors, files, images
from jaxrestore.cli import app
from jaxrestore.inference import of_runs, restorer
from jaxrestore.runs import checkpoints

RUNNER = CliRunner()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder that looks like a run: a config and a slim restorer, no training."""
    import jax
    import jax.numpy as jnp

    from jaxrestore import networks

    workdir = tmp_path_factory.mktemp("run")
    generator = {"name": "unet", "widths": [4, 8], "blocks": [1, 1]}
    model = networks.build("Generator", generator)
    key = jax.random.key(0)
    variables = model.init(key, jnp.zeros((1, 8, 8, 3)), train=False)
    config = {"generator": generator, "precision": "float32"}
    files.write_json(workdir / "config.json", config)
    with checkpoints.manager(workdir) as manager:
        for step, score in ((1, 30.0), (2, 20.0)):
            checkpoints.save(
                manager,
                step,
                {"step": jnp.asarray(step)},
                restorer=variables,
                config=config,
                score=score,
            )
    return workdir


@pytest.mark.parametrize("size", [(37, 23), (1, 1), (8, 64)])
def test_restore_writes_an_image_of_exactly_the_same_size(trained, tmp_path, size):
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    images.encode(pixels, tmp_path / "in.png")
    result = RUNNER.invoke(
        app.app,
        [
            *("restore", str(tmp_path / "in.png")),
            *("-o", str(tmp_path / "out.png"), "--checkpoint", str(trained)),
        ],
    )
    assert result.exit_code == 0, result.output
    # An untrained network is the identity, to the bit.
    np.testing.assert_array_equal(images.decode(tmp_path / "out.png"), pixels)


def test_what_a_run_has_restored_it_does_not_restore_again(trained, tmp_path):
    (tmp_path / "in").mkdir()
    images.encode(np.full((8, 8, 3), 9, np.uint8), tmp_path / "in" / "a.png")
    words = ("restore", tmp_path / "in", "-o", tmp_path / "out", "--checkpoint")
    run = lambda *more: RUNNER.invoke(app.app, [*map(str, (*words, *more))])
    assert "1 image in" in run(trained).output
    assert "0 images in" in run(trained).output
    assert "0 images in" in run(trained, "--step", 2).output  # of the same numbers
    other = shutil.copytree(trained, tmp_path / "other")
    config = {**files.read_json(trained / "config.json"), "precision": "bfloat16"}
    files.write_json(other / "config.json", config)
    assert "its weights were other ones" in str(run(other).exception)


def test_restore_keeps_alpha(trained, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (20, 12, 4), np.uint8)
    out = restorer.restore_image(of_runs.load(trained), pixels)
    np.testing.assert_array_equal(out[..., 3], pixels[..., 3])
    seen = pixels[..., 3] > 0
    np.testing.assert_array_equal(out[seen], pixels[seen])


def test_the_best_step_is_taken_unless_another_is_named(trained):
    assert checkpoints.best_step(trained) == 1
    with pytest.raises(errors.MismatchError, match=r"no checkpoint of step 7"):
        of_runs.load(trained, 7)


def test_weights_that_are_not_finite_give_no_picture(trained):
    broken = of_runs.load(trained)
    nothing = lambda degraded: degraded * np.nan
    broken = restorer.Restorer(nothing, broken.scale, broken.multiple, broken.name)
    with pytest.raises(errors.TrainingError, match="not finite"):
        restorer.restore_image(broken, np.zeros((8, 8, 3), np.uint8))


def test_a_folder_that_is_no_run_and_a_file_that_is_no_image_have_their_codes(
    trained, tmp_path
):
    (tmp_path / "text.png").write_text("no picture")
    script = "from jaxrestore.cli import app; app.main()"
    for arguments, code in (
        ([tmp_path / "missing.png", "--checkpoint", trained], 3),
        ([tmp_path / "text.png", "--checkpoint", trained], 3),
    ):
        done = subprocess.run(
            [
                *(sys.executable, "-c", script, "restore", *map(str, arguments)),
                *("-o", str(tmp_path / "out.png")),
            ],
            capture_output=True,
            text=True,
        )
        assert done.returncode == code, done.stderr
        assert done.stderr.startswith("error: ")
    with pytest.raises(errors.MismatchError, match="is no run"):
        of_runs.load(tmp_path)


@pytest.mark.parametrize(
    "command", [(), ("degrade",), ("study", "score"), ("restore",), ("evaluate",)]
)
def test_help_shows_flags_without_a_value(command):
    told = RUNNER.invoke(app.app, [*command, "--help"])
    assert told.exit_code == 0 and "--help" in told.output
    assert "bool" not in told.output.lower()


def test_help_and_version_answer_without_loading_jax_or_numpy():
    script = (
        "import sys; from jaxrestore.cli import app\n"
        "try: app.main()\n"
        "finally: print(*{'jax', 'numpy', 'PIL'} & set(sys.modules), 'loaded')"
    )
    for argument, answer in (("--help", "restore"), ("--version", __version__)):
        done = subprocess.run(
            [sys.executable, "-c", script, argument], capture_output=True, text=True
        )
        assert done.returncode == 0
        assert answer in done.stdout
        assert done.stdout.endswith("\nloaded\n")


def test_restoring_with_what_ships_loads_no_library_of_checkpoints(tmp_path):
    for name in ("a.png", "b.png"):
        (tmp_path / "in").mkdir(exist_ok=True)
        images.encode(np.full((9, 12, 3), 128, np.uint8), tmp_path / "in" / name)
    script = (
        "import sys; from jaxrestore.cli import app\n"
        "try: app.main()\n"
        "finally: print(*{'orbax', 'tensorstore'} & set(sys.modules))"
    )
    for source, out in (("in/a.png", "out.png"), ("in", "out")):
        words = ("restore", tmp_path / source, "-o", tmp_path / out)
        command = [sys.executable, "-c", script, *map(str, words), "--task", "denoise"]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert done.stdout.endswith("\n") and not done.stdout.split("\n")[-2]


def test_restoring_is_in_the_precision_that_was_scored(trained, monkeypatch):
    config = {**checkpoints.read_config(trained), "precision": "bfloat16"}
    monkeypatch.setattr(checkpoints, "read_config", lambda _: config)
    asked = []
    build = restorer.networks.build

    def remember(role, generator, precision="float32"):
        asked.append(precision)
        return build(role, generator, precision)

    monkeypatch.setattr(restorer.networks, "build", remember)
    of_runs.load(trained)
    assert asked[-1] == "bfloat16"  # before it, the shapes alone are asked for


# Sets and scores


@pytest.fixture
def command(monkeypatch, capsys):
    """`command(words, …)` runs the command line; returns code, stdout and stderr."""

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["jaxrestore", *map(str, words)])
        with pytest.raises(SystemExit) as end:
            app.main()
        return end.value.code or 0, *capsys.readouterr()

    return run


@pytest.fixture
def photographs(tmp_path):
    folder = tmp_path / "photographs"
    folder.mkdir()
    for index, name in enumerate(("a", "b")):
        generator = np.random.default_rng(index)
        pixels = generator.integers(0, 256, (12, 16, 3), np.uint8)
        images.encode(pixels, folder / f"{name}.png")
    return folder


def test_a_set_that_was_degraded_is_scored_against_its_targets(
    command, photographs, tmp_path
):
    out = tmp_path / "set"
    making = ("degrade", photographs, out, "--kind", "pixel_shuffle", "--seed", 4)
    code, said, _ = command(*making, "--set", "rate=0.15", "--set", "order=colour")
    assert code == 0 and "2 pairs in" in said
    card = json.loads((out / "degradation.json").read_text())
    assert card["options"] == {"rate": 0.15, "radius": 2, "order": "colour"}
    scoring = ("evaluate", "--predictions", out / "target", "--targets", photographs)
    files = ("--csv", tmp_path / "x.csv", "--json", tmp_path / "new" / "x.json")
    code, said, _ = command(
        *scoring, "--inputs", out / "input", "--protocol", "gray8", *files
    )
    assert code == 0 and "2 images" in said
    table = [line for line in said.splitlines() if line.startswith("gray8 ")]
    assert [line.split()[1] for line in table] == ["psnr", "ssim"]
    assert "inf" in table[0] and "1.0000" in table[1] and "±" in table[1]
    assert (tmp_path / "x.csv").read_text().startswith("image,protocol,degraded_psnr")
    document = json.loads((tmp_path / "new" / "x.json").read_text())
    assert document["protocols"]["gray8"]["metrics"]["ssim"]["gain"] > 0
    assert len(document["rows"]) == 2
    (tmp_path / "x.csv").write_text("mine")
    for words in (files[:2], files[2:], files):
        code, _, error = command(*scoring, "--protocol", "gray8", *words)
        assert code == 2 and f"{words[1]} exists" in error and "--overwrite" in error
    assert (tmp_path / "x.csv").read_text() == "mine"
    code, *_ = command(*scoring, "--protocol", "gray8", *files, "--overwrite")
    assert code == 0 and (tmp_path / "x.csv").read_text().startswith("image,protocol")


def test_one_image_has_no_interval_and_an_exact_one_is_left_out_of_means(
    command, photographs, tmp_path
):
    a, b = photographs / "a.png", photographs / "b.png"
    scoring = ("evaluate", "--protocol", "gray8", "--targets")
    code, said, _ = command(*scoring, a, "--predictions", b, "--inputs", b)
    assert code == 0 and "1 image;" in said and "+0.00" in said
    assert "±" not in said and "interval" not in said
    mixed = tmp_path / "mixed"
    mixed.mkdir()
    for name in ("a", "b"):
        (mixed / f"{name}.png").write_bytes(b.read_bytes())
    code, said, _ = command(*scoring, photographs, "--predictions", mixed)
    assert code == 0 and "psnr: mean of 1 of 2 images; it is infinite for" in said
    assert said.splitlines()[2].split()[2] != "inf"
    code, said, _ = command(
        *scoring, photographs, "--predictions", mixed, "--all-protocols"
    )
    assert code == 0 and "\ngray8 psnr: mean of 1 of 2 images" in said


def test_pictures_of_odd_sizes_made_smaller_are_scored_after_an_enlargement(
    command, tmp_path
):
    clean, made, out = (tmp_path / name for name in ("clean", "set", "restored"))
    clean.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (19, 16, 3), np.uint8)
    images.encode(pixels, clean / "a.png")
    making = ("degrade", clean, made, "--kind", "downsample", "--set", "scale=2")
    assert command(*making)[0] == 0
    small = images.decode(made / "input" / "a.png")
    assert small.shape == (10, 8, 3)
    out.mkdir()
    images.encode(small.repeat(2, 0).repeat(2, 1), out / "a.png")
    scoring = ("evaluate", "--predictions", out, "--targets", made / "target")
    code, said, _ = command(*scoring, "--inputs", made / "input", "--protocol", "gray8")
    assert code == 0
    assert "\ncut to multiples of the scale: 1 (a: 16x19 to 16x18)" in said
    assert "\ninputs scored as their bicubic enlargement: 1 (a: 8x10 by 2)" in said


def test_all_protocols_are_shown_with_what_sets_them_apart(
    command, photographs, tmp_path
):
    a, b = photographs / "a.png", photographs / "b.png"
    scoring = ("evaluate", "--predictions", a, "--targets", b, "--all-protocols")
    code, said, _ = command(*scoring)
    assert code == 0 and "dB by protocol alone" in said
    for name in ("rgb8", "sr_y_x4", "jpeg_y", "pixelation_group"):
        assert f"\n{name} " in said
    assert "a border of 4 px cut" in said


def test_scores_of_holes_are_shown_by_how_much_was_lost(command, photographs, tmp_path):
    masks, pasted = tmp_path / "masks", tmp_path / "pasted"
    masks.mkdir()
    pasted.mkdir()
    for name, width in (("a", 4), ("b", 14)):  # of 16 px: 25 and 88 %
        mask = np.zeros((12, 16, 3), np.uint8)
        mask[:, :width] = 255
        images.encode(mask, masks / f"{name}.png")
        pixels = images.decode(photographs / f"{name}.png")
        images.encode(
            np.where(mask, 128, pixels).astype(np.uint8), pasted / f"{name}.png"
        )
    scoring = ("evaluate", "--predictions", pasted, "--targets", photographs)
    chosen = ("--masks", masks, "--protocol", "inpainting", "--csv", tmp_path / "x.csv")
    code, said, _ = command(*scoring, *chosen)
    assert code == 0
    heading, row = said[said.index("\nhole") :].strip().splitlines()[:2]
    assert heading.split()[:3] == ["hole", "images", "psnr"]
    assert row.split()[:3] == ["20-30", "%", "1"]
    assert "1 image in no class: 1 % or less was lost, or more than 60 %" in said
    assert "known pixels came back exactly in every image" in said
    assert ",hole_share,intact_psnr" in (tmp_path / "x.csv").read_text()


def test_what_was_left_out_is_named_and_the_code_is_6(command, photographs, tmp_path):
    (photographs / "c.png").write_text("no picture")
    out = tmp_path / "set"
    code, said, told = command("degrade", photographs, out, "--kind", "pixelate")
    assert code == 6 and "2 pairs" in said
    assert told.startswith("error: 1 skipped:\n  c: ") and "c.png" in told
    scoring = ("evaluate", "--predictions", out / "input", "--targets", photographs)
    code, said, told = command(*scoring, "--protocol", "gray8")
    assert code == 6 and "2 images" in said and "c: it has no prediction" in told


def test_a_long_list_of_what_was_left_out_is_cut(command, photographs, tmp_path):
    for index in range(12):
        (photographs / f"c{index}.png").write_text("no picture")
    making = ("degrade", photographs, tmp_path / "set", "--kind", "pixelate")
    code, _, told = command(*making)
    assert code == 6 and "12 skipped" in told
    assert told.count("\n  c") == 10 and told.rstrip().endswith("and 2 more")


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("rate", "'rate' is not KEY=VALUE"),
        ("rate=(0, 0.2", "is not a Python literal"),
        ("ratio=0.2", "did you mean 'rate'"),
        ("rate=much", "rate is 'much', but degradations/pixel_shuffle.py takes"),
    ],
)
def test_an_option_that_cannot_be_meant_is_told_and_the_code_is_2(
    command, photographs, tmp_path, option, message
):
    making = ("degrade", photographs, tmp_path / "set", "--kind", "pixel_shuffle")
    code, _, told = command(*making, "--set", option)
    assert code == 2 and message in told
    assert not (tmp_path / "set").exists()


@pytest.mark.parametrize(
    "words", [("split",), ("degrade", "--kind", "pixelate"), ("combine", "photographs")]
)
def test_files_that_exist_are_kept_and_the_option_is_named(
    command, photographs, tmp_path, monkeypatch, words
):
    monkeypatch.chdir(tmp_path)
    name, *options = words
    making = (name, "photographs", *options, "set")
    if name == "combine":
        for picture in [*photographs.iterdir()]:
            picture.rename(photographs / f"x_{picture.stem.upper()}.png")
    assert command(*making)[0] == 0
    code, _, told = command(*making)
    assert code == 2 and "--overwrite to replace" in told
    assert command(*making, "--overwrite")[0] == 0


def test_of_a_file_of_weights_no_step_is_asked(command, tmp_path):
    (tmp_path / "network.pth").write_bytes(b"")
    converting = ("convert", tmp_path / "network.pth", tmp_path / "out.safetensors")
    code, _, told = command(*converting, "--step", 3)
    assert code == 2 and "leave --step out" in told


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("--protocol", "rgb9"), 2, "did you mean 'rgb8'"),
        (("--inputs", "/nowhere"), 3, "/nowhere does not exist"),
    ],
)
def test_evaluate_ends_with_the_code_of_what_is_wrong(
    command, photographs, words, code, message
):
    scoring = ("evaluate", "--predictions", photographs, "--targets", photographs)
    ended, _, told = command(*scoring, *words)
    assert ended == code and message in told
