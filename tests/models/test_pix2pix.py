import functools
import json
from pathlib import Path

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import untrained
from golden import pix2pix as golden

from jaxrestore import networks
from jaxrestore.models import layers, pix2pix_resnet, pix2pix_unet

GOLDEN = Path(__file__).parent.parent / "golden" / "pix2pix.json"
GENERATORS = ("pix2pix_unet", "pix2pix_resnet")


def _parameters(model, *inputs):
    return untrained.count(untrained.shapes(model, *inputs))


# The reference, and the numbers it states


@pytest.mark.parametrize(
    ("downs", "norm", "count"),
    [
        (8, "batch", 54_413_955),
        (8, "instance", 54_409_603),
        (7, "batch", 41_828_995),
        (7, "instance", 41_825_667),
        # A bias for each convolution, as with instance normalisation.
        (7, "none", 41_825_667),
    ],
)
def test_the_u_net_of_pix2pix_has_the_published_parameters(downs, norm, count):
    model = pix2pix_unet.Generator(downs=downs, norm=norm)
    assert _parameters(model, untrained.image(2**downs)) == count


@pytest.mark.parametrize(
    ("blocks", "norm", "count"),
    [
        (9, "batch", 11_383_427),
        (9, "instance", 11_378_179),
        (6, "batch", 7_841_411),
        (6, "instance", 7_837_699),
        (6, "none", 7_837_699),
    ],
)
def test_the_res_net_of_pix2pix_has_the_published_parameters(blocks, norm, count):
    model = pix2pix_resnet.Generator(blocks=blocks, norm=norm)
    assert _parameters(model, untrained.image(32)) == count


@pytest.mark.parametrize("case", golden.CASES)
def test_a_network_equals_that_of_pytorch_with_the_same_weights(case):
    name, options, train, side = golden.CASES[case]
    image, condition = (jnp.asarray(batch) for batch in golden.images(side))
    if is_generator := name in GENERATORS:
        recipe, inputs = {"name": name, **options, "dropout": 0.0}, (image,)
    else:
        recipe, inputs = {"name": name, **options}, (2 * image - 1, 2 * condition - 1)
    model = networks.build("Generator" if is_generator else "Discriminator", recipe)
    variables = golden.variables(untrained.shapes(model, *inputs))
    apply = functools.partial(model.apply, train=train, mutable=["batch_stats"])
    output, _ = jax.jit(apply)(variables, *inputs)
    numbers = golden.numbers(np.asarray(output[0] if is_generator else output))
    expected = np.array(json.loads(GOLDEN.read_text())[case])
    assert len(expected) >= 64 and expected.std() > 0.05
    np.testing.assert_allclose(numbers, expected, rtol=0, atol=1e-4)


def _calls(model, image):
    """Name, side and width of every layer with weights, norm or dropout, in order."""
    calls = []

    def record(call, arguments, options, context):
        output = call(*arguments, **options)
        module = context.module
        if isinstance(module, layers.Conv | layers.ConvTranspose):
            calls.append((module.name, output.shape[1], output.shape[-1]))
        elif isinstance(module, layers.Norm) and module.kind != "none":
            calls.append(module.name)
        elif isinstance(module, nn.Dropout):
            calls.append("dropout")
        return output

    with nn.intercept_methods(record):
        jax.eval_shape(
            functools.partial(model.init, train=False), jax.random.key(0), image
        )
    return calls


def test_the_levels_of_unet_256_are_those_of_the_reference():
    # The path down has no norm in its first and its last level.
    down = [("down0", 128, 64)]
    for level, side, width in [(1, 64, 128), (2, 32, 256), (3, 16, 512), (4, 8, 512)]:
        down += [(f"down{level}", side, width), f"down{level}_norm"]
    down += [("down5", 4, 512), "down5_norm", ("down6", 2, 512), "down6_norm"]
    down += [("down7", 1, 512)]
    up = [("up7", 2, 512), "up7_norm"]
    for level, side in [(6, 4), (5, 8), (4, 16)]:
        up += [(f"up{level}", side, 512), f"up{level}_norm", "dropout"]
    up += [("up3", 32, 256), "up3_norm", ("up2", 64, 128), "up2_norm"]
    up += [("up1", 128, 64), "up1_norm", ("up0", 256, 3)]
    assert _calls(pix2pix_unet.Generator(), untrained.image(256)) == down + up


def test_the_layers_of_the_res_net_are_those_of_the_reference():
    expected = [("first", 64, 64), "first_norm"]
    expected += [("down1", 32, 128), "down1_norm", ("down2", 16, 256), "down2_norm"]
    for index in range(6):
        first, second = f"block{index}_conv1", f"block{index}_conv2"
        expected += [(first, 16, 256), f"{first}_norm", "dropout"]
        expected += [(second, 16, 256), f"{second}_norm"]
    expected += [("up2", 32, 128), "up2_norm", ("up1", 64, 64), "up1_norm"]
    expected += [("last", 64, 3)]
    assert _calls(pix2pix_resnet.Generator(blocks=6), untrained.image(64)) == expected


def _drawn_twice(model, image):
    """Whether two keys of `dropout` give other images in training."""
    variables = untrained.init(model, image)
    train = jax.jit(functools.partial(model.apply, train=True))
    keys = jax.random.split(jax.random.key(0), 2)
    first, second = (train(variables, image, rngs={"dropout": k})[0] for k in keys)
    return bool((first != second).any())


def test_dropout_of_the_res_net_is_drawn_from_its_key_in_training():
    model = pix2pix_resnet.Generator(filters=2, blocks=1, norm="none", dropout=0.5)
    assert _drawn_twice(model, untrained.noise(1, 8, 8, 3))


@pytest.mark.slow
def test_dropout_of_the_u_net_acts_in_training_on_the_inner_levels_only():
    image = untrained.noise(1, 64, 64, 3)
    for downs, drawn in ((5, False), (6, True)):
        model = pix2pix_unet.Generator(filters=2, downs=downs, norm="instance")
        assert _drawn_twice(model, image) == drawn


def test_a_u_net_of_five_levels_has_no_level_with_dropout():
    model = pix2pix_unet.Generator(filters=2, downs=5)
    assert "dropout" not in _calls(model, untrained.image(32))
