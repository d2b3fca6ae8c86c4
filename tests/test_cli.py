import subprocess
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

from jaxrestore import __version__, checkpoints, cli, errors, images
from jaxrestore.inference import restorer

RUNNER = CliRunner()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder that looks like a run: a config and a slim restorer, no training."""
    import jax
    import jax.numpy as jnp

    from jaxrestore import networks
    from jaxrestore.evaluation import outcome

    workdir = tmp_path_factory.mktemp("run")
    generator = {"name": "unet", "widths": [4, 8], "blocks": [1, 1]}
    model = networks.build("Generator", generator)
    key = jax.random.key(0)
    variables = model.init(key, jnp.zeros((1, 8, 8, 3)), train=False)
    config = {"generator": generator, "precision": "float32"}
    outcome.write_json(workdir / "config.json", config)
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
        cli.app,
        [
            *("restore", str(tmp_path / "in.png")),
            *("-o", str(tmp_path / "out.png"), "--checkpoint", str(trained)),
        ],
    )
    assert result.exit_code == 0, result.output
    # An untrained network is the identity, to the bit.
    np.testing.assert_array_equal(images.decode(tmp_path / "out.png"), pixels)


def test_restore_keeps_alpha(trained, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (20, 12, 4), np.uint8)
    out = restorer.restore_image(restorer.load(trained), pixels)
    np.testing.assert_array_equal(out, pixels)


def test_the_best_step_is_taken_unless_another_is_named(trained):
    assert checkpoints.best_step(trained) == 1
    with pytest.raises(errors.MismatchError, match=r"no checkpoint of step 7"):
        restorer.load(trained, 7)


def test_weights_that_are_not_finite_give_no_picture(trained):
    broken = restorer.load(trained)
    nothing = lambda degraded: degraded * np.nan
    broken = restorer.Restorer(nothing, broken.scale, broken.multiple, broken.name)
    with pytest.raises(errors.TrainingError, match="not finite"):
        restorer.restore_image(broken, np.zeros((8, 8, 3), np.uint8))


def test_a_folder_that_is_no_run_and_a_file_that_is_no_image_have_their_codes(
    trained, tmp_path
):
    (tmp_path / "text.png").write_text("no picture")
    script = "from jaxrestore import cli; cli.main()"
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
        restorer.load(tmp_path)


def test_help_and_version_answer_without_loading_jax():
    script = (
        "import sys; from jaxrestore import cli\n"
        "try: cli.main()\n"
        "finally: print('jax' in sys.modules)"
    )
    for argument, answer in (("--help", "restore"), ("--version", __version__)):
        done = subprocess.run(
            [sys.executable, "-c", script, argument], capture_output=True, text=True
        )
        assert done.returncode == 0
        assert answer in done.stdout
        assert done.stdout.endswith("False\n")


def test_restoring_is_in_the_precision_that_was_scored(trained, monkeypatch):
    config = {**checkpoints.read_config(trained), "precision": "bfloat16"}
    monkeypatch.setattr(restorer.checkpoints, "read_config", lambda _: config)
    asked = []
    build = restorer.networks.build

    def remember(role, generator, precision):
        asked.append(precision)
        return build(role, generator, precision)

    monkeypatch.setattr(restorer.networks, "build", remember)
    restorer.load(trained)
    assert asked == ["bfloat16"]
