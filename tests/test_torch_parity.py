"""The networks beside the same in PyTorch, wherever PyTorch is installed."""

import functools
import importlib.util

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrestore import networks

SHAPE = (2, 32, 32, 3)
GENERATORS = {
    "fcn": {"width": 8, "blocks": 2},
    "pix2pix_unet": {"filters": 4, "downs": 5, "norm": "batch", "dropout": 0.0},
}
# Parameters of the published networks: pix2pix's unet_256, unet_128 and PatchGAN, and
# the sums over the layers of the FCN.
COUNTS = [
    ("UNet", {}, 54_413_955),
    ("UNet", {"norm": "instance"}, 54_409_603),
    ("UNet", {"downs": 7}, 41_828_995),
    ("PatchGan", {"norm": "batch"}, 2_768_705),
    ("Fcn", {}, 1_222_147),
]


def _images(count):
    rng = np.random.default_rng(0)
    return [jnp.asarray(rng.random(SHAPE, np.float32)) for _ in range(count)]


def _init(model, *inputs):
    return jax.jit(functools.partial(model.init, train=False))(
        jax.random.key(0), *inputs
    )


def _variables(model, *inputs):
    """Variables in which nothing is 0 or 1, last layers and statistics included."""
    variables = _init(model, *inputs)
    rng = np.random.default_rng(1)
    # Up to 0.1 either way: a variance of 1 stays positive.
    stir = lambda leaf: leaf + rng.uniform(-0.1, 0.1, leaf.shape).astype(np.float32)
    return jax.tree.map(stir, variables)


if importlib.util.find_spec("torch"):  # never among what [dev] installs
    import torch

    from benchmarks import torch_networks

    def _compare(role, recipe, module, inputs, train):
        model = networks.build(role, recipe)
        variables = _variables(model, *inputs)
        apply = jax.jit(model.apply, static_argnames=("train", "mutable"))
        outputs, _ = apply(variables, *inputs, train=train, mutable="batch_stats")
        torch_networks.load(module, variables).train(train)
        with torch.no_grad():
            placed = [torch.tensor(np.asarray(x)).permute(0, 3, 1, 2) for x in inputs]
            theirs = module(*placed).permute(0, 2, 3, 1).numpy()
        ours = outputs[0] if role == "Generator" else outputs
        # A constant map, such as one of saturated tanh, would hide any mistake.
        assert theirs.std() > 1e-2
        np.testing.assert_allclose(ours, theirs, atol=1e-4)

    @pytest.mark.parametrize("train", [False, True])
    @pytest.mark.parametrize("name", GENERATORS)
    def test_a_generator_equals_its_twin_in_pytorch(name, train):
        twins = {"fcn": torch_networks.Fcn, "pix2pix_unet": torch_networks.UNet}
        options = dict(GENERATORS[name])
        recipe = {"name": name, **options}
        options.pop("dropout", None)
        _compare("Generator", recipe, twins[name](**options), _images(1), train)

    @pytest.mark.parametrize("train", [False, True])
    @pytest.mark.parametrize("norm", ["batch", "instance"])
    def test_patchgan_equals_its_twin_in_pytorch(norm, train):
        options = {"filters": 4, "stages": 2, "norm": norm}
        recipe = {"name": "patchgan", **options}
        module = torch_networks.PatchGan(**options)
        _compare("Discriminator", recipe, module, _images(2), train)

    @pytest.mark.parametrize(("network", "options", "expected"), COUNTS)
    def test_a_twin_has_the_published_number_of_parameters(network, options, expected):
        with torch.device("meta"):
            module = getattr(torch_networks, network)(**options)
        assert sum(p.numel() for p in module.parameters()) == expected

    def test_weights_of_another_network_are_refused():
        model = networks.build("Generator", {"name": "fcn", "width": 8, "blocks": 1})
        variables = _init(model, *_images(1))
        with pytest.raises(RuntimeError, match="block1"):
            torch_networks.load(torch_networks.Fcn(width=8, blocks=2), variables)
