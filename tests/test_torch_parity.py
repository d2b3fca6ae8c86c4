"""The networks beside the same in PyTorch, wherever PyTorch is installed."""

import functools
import importlib.util
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from golden import pix2pix as golden

from jaxrestore import networks
from jaxrestore.models import layers

SHAPE = (2, 32, 32, 3)
GENERATORS = {
    "fcn": {"width": 8, "blocks": 2},
    "pix2pix_unet": {"filters": 4, "downs": 5, "norm": "batch", "dropout": 0.0},
    "unet": {"widths": (4, 6, 8), "blocks": (1, 2, 1)},
}
# Parameters of the published networks: pix2pix's unet_256, unet_128 and PatchGAN, and
# the sums over the layers of the FCN.
COUNTS = [
    ("UNet", {}, 54_413_955),
    ("UNet", {"norm": "instance"}, 54_409_603),
    ("UNet", {"downs": 7}, 41_828_995),
    ("PatchGan", {"norm": "batch"}, 2_768_705),
    ("Fcn", {}, 1_222_147),
    ("ResidualUNet", {}, 1_736_364),
    ("Mwcnn", {}, 16_168_940),
]


# The published widths, at the side they are meant for, in evaluation and training.
FULL = [
    ("pix2pix_unet", {"filters": 64, "downs": 8, "norm": "batch"}, 256),
    ("pix2pix_unet", {"filters": 64, "downs": 7, "norm": "instance"}, 128),
    ("pix2pix_resnet", {"filters": 64, "blocks": 9, "norm": "batch"}, 256),
    ("pix2pix_resnet", {"filters": 64, "blocks": 6, "norm": "instance"}, 256),
    ("patchgan", {"filters": 64, "stages": 3, "norm": "batch"}, 256),
    ("pixel_gan", {"filters": 64, "norm": "batch"}, 256),
]
STORED = Path(__file__).parent / "golden" / "pix2pix.json"


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
        twins = torch_networks.TWINS
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

    @pytest.mark.parametrize("case", golden.CASES)
    def test_the_stored_numbers_of_pix2pix_are_those_of_pytorch(case):
        theirs = golden.numbers(golden.reference(*golden.CASES[case]))
        stored = json.loads(STORED.read_text())[case]
        np.testing.assert_allclose(theirs, stored, rtol=0, atol=1e-5)

    @pytest.mark.slow
    @pytest.mark.parametrize("train", [False, True])
    @pytest.mark.parametrize(("name", "options", "side"), FULL)
    def test_a_network_of_pix2pix_at_full_width_equals_that_of_pytorch(
        name, options, side, train
    ):
        batches = [jnp.asarray(batch) for batch in golden.images(side)]
        if name.startswith("pix2pix"):
            role, inputs, more = "Generator", batches[:1], {"dropout": 0.0}
        else:
            role, inputs, more = "Discriminator", [2 * b - 1 for b in batches], {}
        model = networks.build(role, {"name": name, **options, **more})
        init = functools.partial(model.init, train=False)
        variables = golden.variables(jax.eval_shape(init, jax.random.key(0), *inputs))
        apply = functools.partial(model.apply, train=train, mutable="batch_stats")
        outputs, _ = jax.jit(apply)(variables, *inputs)
        ours = outputs[0] if role == "Generator" else outputs
        theirs = golden.reference(name, options, train, side)
        assert theirs.std() > 0.05
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-4)

    DRAWN = {
        "normal": lambda weight: torch.nn.init.normal_(weight, 0, 0.3),
        "xavier": lambda weight: torch.nn.init.xavier_normal_(weight, 0.3),
        "kaiming": lambda weight: torch.nn.init.kaiming_normal_(weight, 0, "fan_in"),
        "orthogonal": lambda weight: torch.nn.init.orthogonal_(weight, 0.3),
    }

    @pytest.mark.parametrize("kind", DRAWN)
    @pytest.mark.parametrize("transposed", [False, True])
    def test_weights_are_drawn_as_wide_as_in_pytorch(transposed, kind):
        kernel = layers.initializer(kind, 0.3)
        layer = (layers.ConvTranspose if transposed else layers.Conv)(
            48, kernel=4, kernel_init=kernel
        )
        variables = layer.init(jax.random.key(0), jnp.zeros((1, 8, 8, 24)))
        ours = np.asarray(variables["params"]["conv"]["kernel"])
        twin = torch.nn.ConvTranspose2d if transposed else torch.nn.Conv2d
        torch.manual_seed(0)
        theirs = DRAWN[kind](twin(24, 48, 4).weight).detach().numpy()
        assert ours.transpose(3, 2, 0, 1).shape == theirs.shape
        assert np.std(ours) == pytest.approx(theirs.std(), rel=0.03)
