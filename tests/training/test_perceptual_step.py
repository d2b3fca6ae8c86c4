"""The perceptual loss inside the train step; its formula: tests/test_perceptual.py."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy
from golden import lpips as golden

from jaxrestore import errors, sharding
from jaxrestore.training import compilation, features, recipe, setup, steps

ONE = jax.devices()[:1]
LAYERS = {"conv1_2": 0.5, "conv2_1": 2.0}


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A file of a VGG of two narrow blocks."""
    path = tmp_path_factory.mktemp("vgg") / "vgg.safetensors"
    tensors = golden.vgg_tensors(convolutions=(2, 1), widths=(4, 6))
    safetensors.numpy.save_file(tensors, path)
    return path


@pytest.fixture
def perceived(tiny, weights):
    """A recipe with L1 and a perceptual loss of two layers, and nothing else."""

    def make(weight=0.5, **changes):
        lengths = {"evaluation__every": 2, "checkpoint_every": 2}
        config = tiny(adversarial=None, data__leaves=0.0, **lengths, **changes)
        config["degradation"] = {"name": "noise", "level": 0.1}
        config["objective"] = {"restored": {"l1": 1.0}}
        config["perceptual"] = {
            "weights": str(weights),
            "weight": weight,
            "layers": LAYERS,
            "criterion": "l1",
        }
        return config

    return make


def _images(prepared):
    pixels = np.random.default_rng(0).integers(0, 256, prepared.batch.shape, np.uint8)
    return sharding.put(pixels, prepared.mesh, axis=1)


def _begun(prepared):
    key = jax.random.key(prepared.config["seed"])
    begin = jax.jit(setup.initial(prepared.recipe, prepared.config))
    return sharding.replicate(begin(key), prepared.mesh)


def _called(setups, mode="map"):
    """What one call of the compiled step makes of new states: states and terms."""
    step = compilation.compile_together(setups, mode, lambda line: None)
    states = tuple(_begun(prepared) for prepared in setups)
    return step.call(states, _images(setups[0]))


def _first(terms, name):
    return float(terms[f"generator/{name}"][0])


def _by_hand(prepared):
    """The term of the first step: a new network restores nothing but its input."""
    tensors = safetensors.numpy.load_file(prepared.config["perceptual"]["weights"])
    mean = np.array([0.485, 0.456, 0.406], np.float32)
    deviation = np.array([0.229, 0.224, 0.225], np.float32)

    def maps(x):
        found = {}
        x = (x - mean) / deviation
        for place, name in ((0, "conv1_1"), (2, "conv1_2"), (5, "conv2_1")):
            kernel = jnp.transpose(tensors[f"features.{place}.weight"], (2, 3, 1, 0))
            layout = ("NHWC", "HWIO", "NHWC")
            x = jax.lax.conv_general_dilated(
                x, kernel, (1, 1), "SAME", dimension_numbers=layout
            )
            x = found[name] = x + tensors[f"features.{place}.bias"]
            x = jnp.maximum(x, 0)
            if name == "conv1_2":
                x = x.reshape(len(x), 16, 2, 16, 2, -1).max((2, 4))
        return found

    @jax.jit
    def both(run, images):
        batch = steps.batch_of(prepared.recipe, run, images)
        ours, theirs = maps(batch["degraded"]), maps(batch["target"])
        return {name: jnp.abs(ours[name] - theirs[name]).mean() for name in LAYERS}

    found = both(_begun(prepared), _images(prepared)[0])
    return sum(weight * float(found[name]) for name, weight in LAYERS.items())


def test_a_step_adds_the_distance_of_its_maps_times_the_weight(perceived):
    prepared = setup.prepare(perceived(), ONE)
    (state,), (terms,) = _called([prepared])
    expected = _by_hand(prepared)
    assert expected > 0.3
    assert _first(terms, "perceptual") == pytest.approx(expected, rel=1e-4)
    total = _first(terms, "restored/l1") + 0.5 * expected
    assert _first(terms, "loss") == pytest.approx(total, rel=1e-4)
    assert np.isfinite(_first(terms, "grad_norm"))
    assert int(state.generator.updates) == 1


def test_a_run_older_than_the_section_is_read_as_one_without(perceived):
    older = {n: value for n, value in perceived().items() if n != "perceptual"}
    assert recipe.assemble(older).perception is None
    assert features.load(older) is None
    assert "perceptual.weight" not in recipe.numbers(older)
    assert recipe.numbers(perceived())["perceptual.weight"] == 0.5


def test_the_network_is_an_argument_of_the_program_and_no_constant(perceived):
    prepared = setup.prepare(perceived(), ONE)
    largest = lambda jaxpr: max((np.size(x) for x in jaxpr.consts), default=0)
    closed = jax.make_jaxpr(steps.train_steps(prepared.recipe))
    weights = 6 * 4 * 3 * 3
    assert largest(closed(prepared.state, prepared.batch)) == weights
    program = jax.make_jaxpr(compilation._program(prepared, "map"))
    numbers = {k: jnp.float32(v) for k, v in recipe.numbers(prepared.config).items()}
    variables = prepared.recipe.features.variables
    traced = program((prepared.state,), (numbers,), variables, prepared.batch)
    assert largest(traced) < weights


@pytest.fixture
def arms(perceived):
    """Two runs that weigh it otherwise, in parts and with two steps a call."""
    several = {"steps_per_call": 2, "optimizer__accumulate": 2}
    return [setup.prepare(perceived(weight=w, **several), ONE) for w in (0.0, 3.0)]


def _check_arms(arms, terms):
    expected = _by_hand(arms[0])
    for prepared, own in zip(arms, terms, strict=True):
        assert own["generator/perceptual"].shape == (2,)
        assert _first(own, "perceptual") == pytest.approx(expected, rel=1e-4)
        weight = prepared.config["perceptual"]["weight"]
        total = _first(own, "restored/l1") + weight * expected
        assert _first(own, "loss") == pytest.approx(total, rel=1e-4)


@pytest.mark.slow
def test_runs_of_different_weights_share_a_program(arms):
    (silent, _), terms = _called(arms, "map")
    _check_arms(arms, terms)
    # Without the section nothing is added, and all else is the same.
    config = {**arms[0].config, "perceptual": None}
    (bare,), (others,) = _called([setup.prepare(config, ONE)])
    assert {*terms[0]} - {*others} == {"generator/perceptual"}
    assert _first(others, "loss") == _first(others, "restored/l1")
    # Neither trained nor saved: the network is no part of the state.
    assert jax.tree.structure(silent) == jax.tree.structure(bare)
    ours, theirs = (jax.tree.leaves(state.ema) for state in (silent, bare))
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-7)


@pytest.mark.slow
def test_runs_of_different_weights_take_their_steps_at_once(arms):
    _check_arms(arms, _called(arms, "vmap")[1])


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"weights": ""}, r"weights is empty.*vgg19-dcbb9e9d\.pth.*perceptual=none"),
        ({"weight": -1.0}, "perceptual.weight is -1.0; it must be at least 0"),
        ({"layers": {}}, "perceptual.layers is {}"),
        ({"layers": {"conv1_2": "much"}}, "conv1_2 is 'much'; it must be a number"),
        ({"layers": {"conv1_2": -1.0}}, "conv1_2 is -1.0; .* 0 or more"),
        ({"layers": {"conv1_3": 1.0}}, r"perceptual.layers: .*mean 'conv1_"),
        ({"criterion": "l2"}, "perceptual.criterion is 'l2'"),
        ({"weightz": 1}, "config.perceptual.weightz is no key: did you mean 'weight"),
    ],
)
def test_a_mistake_in_the_section_is_told_before_anything_compiles(
    perceived, changed, says
):
    config = perceived()
    config["perceptual"] |= changed
    with pytest.raises(errors.ConfigError, match=says):
        setup.prepare(config, ONE)


def test_a_file_that_is_missing_or_another_is_told_before_anything_compiles(
    perceived, tmp_path
):
    config = perceived()
    config["perceptual"]["weights"] = str(tmp_path / "nowhere.pth")
    with pytest.raises(errors.NoInputError, match=r"nowhere\.pth"):
        setup.prepare(config, ONE)
    other = tmp_path / "other.safetensors"
    safetensors.numpy.save_file({"body.weight": np.zeros((2, 2), np.float32)}, other)
    config["perceptual"]["weights"] = str(other)
    with pytest.raises(errors.ConfigError, match="holds no VGG"):
        setup.prepare(config, ONE)


def test_the_first_line_of_a_run_counts_the_network_by_itself(perceived):
    line = setup.headline(setup.prepare(perceived(), ONE))
    count = 4 * (27 + 1) + 4 * (36 + 1) + 6 * (36 + 1)
    assert f"of the perceptual loss {count}" in line
