import jax
import pytest

from jaxrestore import errors
from jaxrestore.runs import checkpoints
from jaxrestore.training import inheritance, logbook, recipe, setup
from jaxrestore.training import run as runs
from jaxrestore.weights import weight_files

ONE = jax.devices()[:1]


def _state(config, seed=0):
    begin = setup.initial(recipe.build(config), config)
    return jax.jit(begin)(jax.random.key(seed))


def _same(one, other):
    return checkpoints.tree_hash(jax.device_get(one)) == checkpoints.tree_hash(
        jax.device_get(other)
    )


def test_the_generator_and_its_average_are_those_of_the_other_run(tiny):
    state, other = _state(tiny()), _state(tiny(), seed=1)
    ours = inheritance.inherit(state, other.ema)
    assert _same(ours.ema, other.ema)
    assert _same({"params": ours.generator.params}, other.ema)
    assert _same(ours.discriminator, state.discriminator)
    assert _same(ours.generator.optimizer, state.generator.optimizer)
    leaves = zip(*map(jax.tree.leaves, (ours.ema, ours.generator.params)), strict=True)
    assert all(average is not new for average, new in leaves)  # both may be donated


def test_another_generator_is_refused_with_what_differs(tiny):
    wider = _state(tiny(generator__width=12)).ema
    with pytest.raises(errors.MismatchError) as refused:
        inheritance.inherit(_state(tiny()), wider)
    assert "params/block0/conv1/conv/kernel" in str(refused.value)
    assert "[3, 3, 12, 12], expected [3, 3, 8, 8]" in str(refused.value)
    assert "Use the config.generator" in str(refused.value)


def test_what_does_not_exist_is_told_with_what_to_do():
    with pytest.raises(errors.NoInputError, match=r"'runs/none', which does not exist"):
        inheritance.load("runs/none")


def test_a_run_begins_with_the_weights_of_a_file_and_says_their_hash(
    tiny, tmp_path, capsys
):
    config = tiny(init_from=str(tmp_path / "first.safetensors"))
    learnt = jax.device_get(_state(config, seed=1).ema)
    section = {"generator": config["generator"]}
    weight_files.write(tmp_path / "first.safetensors", learnt, section)
    with logbook.Logbook(tmp_path, step=0, steps=6) as log:
        run = runs.Run(setup.prepare(config, ONE), tmp_path, log)
        runs.begin(run, None)
    assert _same(run.state.ema, learnt)
    said = " ".join(capsys.readouterr().out.split())
    card = weight_files.read_card(tmp_path / "first.safetensors")
    assert f"first.safetensors, SHA-256 of the file {card['sha256']}" in said
