"""What functions of images refuse."""

import functools
import inspect

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest

from jaxrestore import errors, losses, metrics, naming, protocols
from jaxrestore.ops import checks

HOMES = {"losses": losses, "metrics": metrics, "protocols": protocols}
FUNCTIONS = {
    f"{home}.{name}": function
    for home, module in HOMES.items()
    for name, function in naming.public(module).items()
    if inspect.isfunction(function) and name not in ("ms_ssim_scales", "kl_gaussian")
}
PRIORS = {"losses.total_variation"}  # these look at the first image alone
MSE = FUNCTIONS["metrics.mse"]
SHAPE = (2, 20, 24, 3)
DAMAGE = np.zeros((2, 20, 24, 1), np.float32)
DAMAGE[:, :5] = 1
IMAGE = np.random.default_rng(0).random(SHAPE, np.float32)
EIGHT_BIT = np.round(255 * IMAGE).astype(np.uint8)
CENTRED = (2 * EIGHT_BIT.astype(np.float32) / 255 - 1).clip(-1, 1)


@pytest.fixture(autouse=True)
def _as_users_have_it():
    """Without the type checker of the tests, which would refuse most of it first."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


def _call(name, a, b):
    function = FUNCTIONS[name]
    if "damage" in inspect.signature(function).parameters:
        return function(a, b, damage=DAMAGE)
    return function(a, b)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (EIGHT_BIT, "images are uint8, but must be floats"),
        (IMAGE[0], r"\[b, h, w, c\], got the shape \(20, 24, 3\)"),
        (np.moveaxis(IMAGE, -1, 1), r"looks like \[b, c, h, w\]"),
        (EIGHT_BIT.astype(np.float32), "to 255, but 0 is black and 1 is white; divide"),
        (CENTRED, r"are from -1 to .*\(images \+ 1\) / 2"),
    ],
    ids=["uint8", "no batch", "channels first", "0 to 255", "-1 to 1"],
)
def test_other_types_layouts_and_ranges_are_refused(name, wrong, message):
    assert EIGHT_BIT.min() == 0 and CENTRED.min() == -1
    with pytest.raises(ValueError, match=message):
        _call(name, wrong, wrong)
    if name not in PRIORS and wrong.shape == SHAPE:
        with pytest.raises(ValueError, match=message):
            _call(name, IMAGE, wrong)


def test_what_a_restorer_or_noise_makes_is_let_through():
    noise = np.random.default_rng(1).normal(0, 75 / 255, SHAPE).astype(np.float32)
    overshooting = IMAGE + 0.3 * (IMAGE - 0.5)
    wild = IMAGE.copy()
    wild[0, 0, 0] = 300  # a pixel that went astray
    for a in (IMAGE - noise, overshooting, wild, 0 * IMAGE, IMAGE * np.nan):
        assert MSE(a, IMAGE).shape == (2,)
    assert MSE(IMAGE, overshooting).shape == (2,)
    assert MSE(IMAGE[:0], IMAGE[:0]).shape == (0,)
    assert MSE(IMAGE.astype(jnp.bfloat16), IMAGE).dtype == jnp.float32


def test_values_are_not_looked_at_inside_jit_nor_where_one_says_so():
    levels = EIGHT_BIT.astype(np.float32)
    inside = jax.jit(MSE)(levels, levels + 1)
    constant = jax.jit(lambda a: MSE(a, jnp.zeros(SHAPE) + 0.5))(levels)
    assert np.isfinite(constant).all()
    with checks.values_as_they_are():
        np.testing.assert_allclose(MSE(levels, levels + 1), inside)
    with pytest.raises(ValueError, match="0 is black"):
        MSE(levels, levels)


def test_types_and_layouts_are_refused_inside_jit_too():
    with pytest.raises(ValueError, match="images are uint8"):
        jax.jit(MSE)(EIGHT_BIT, EIGHT_BIT)


WEIGHTED = [
    n for n, f in FUNCTIONS.items() if "weight" in inspect.signature(f).parameters
]


@pytest.mark.parametrize("name", WEIGHTED)
@pytest.mark.parametrize("shape", [SHAPE, SHAPE[:3], (1, 20, 24, 1)], ids=str)
def test_a_weight_is_one_number_a_pixel(name, shape):
    weighted = functools.partial(FUNCTIONS[name], weight=np.ones(shape, np.float32))
    with pytest.raises(
        ValueError, match=r"a weight is \[b, h, w, 1\], here \(2, 20, 24"
    ):
        weighted(IMAGE, IMAGE)


def test_a_negative_weight_and_a_mask_of_another_shape_are_refused():
    with pytest.raises(ValueError, match="a weight is negative"):
        FUNCTIONS["losses.l1"](IMAGE, IMAGE, weight=-DAMAGE)
    with pytest.raises(ValueError, match="a weight is"):
        FUNCTIONS["protocols.inpainting"](IMAGE, IMAGE, damage=DAMAGE[..., 0])


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (IMAGE[0], r"an image is float32, .* np\.round\(255 \* image\)"),
        (EIGHT_BIT[0].astype(np.uint16), r"uint16, .*image / 257"),
        (EIGHT_BIT[0, ..., 0], r"shape \(20, 24\), .* image\[\.\.\., None\]"),
        (EIGHT_BIT, r"shape \(2, 20, 24, 3\)"),
        (EIGHT_BIT[0, ..., [0, 1, 2, 0, 1]], r"shape \(5, 20, 24\)"),
        (EIGHT_BIT[0, :0], r"no pixels: its shape is \(0, 24, 3\)"),
    ],
    ids=["float", "16 bit", "no channels", "batch", "channels first", "empty"],
)
def test_a_picture_is_8_bits_with_channels_last(image, message):
    with pytest.raises(errors.ConfigError, match=message):
        checks.picture(image)
    checks.picture(EIGHT_BIT[0])


def test_a_picture_of_any_type_has_8_bits_16_or_floats_in_0_to_1():
    for dtype in (np.uint8, np.uint16):
        checks.any_picture(EIGHT_BIT[0].astype(dtype))
    inside = np.array([[[-0.5, 1.5, 0.2]]])
    for dtype in (np.float16, np.float32, np.float64):
        checks.any_picture(inside.astype(dtype))
    cases = [
        (EIGHT_BIT[0].astype(np.int32), "int32, but must be uint8, 0 to 255, uint16"),
        (EIGHT_BIT[0, ..., 0].astype(np.uint16), "with 1 to 4 channels"),
        (inside * 255, "are from -127.5 to 382.5, but 0 is black and 1 is"),
        (inside * np.nan, "not finite"),
    ]
    for image, message in cases:
        with pytest.raises(errors.ConfigError, match=message):
            checks.any_picture(image)
