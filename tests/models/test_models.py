import functools
import importlib
import pkgutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.signal

from jaxrestore import models
from jaxrestore.models import fcn, layers, patchgan, unet

SIDE = 32
# Options that make a network small enough to run here; a network that is not named is
# run as it stands.
TINY = {
    "fcn": {"width": 8, "blocks": 2},
    "unet": {"widths": (8, 12), "blocks": (1, 1)},
    "patchgan": {"filters": 4, "stages": 1},
    "pixel_gan": {"filters": 4},
    "pix2pix_resnet": {"filters": 4, "blocks": 1},
    "pix2pix_unet": {"filters": 4, "downs": 3},
    "vae": {"filters": 4, "downs": 3, "latent": 4},
    "dcgan": {"filters": 4},
    "deblur_fcn": {"filters": 8},
    "dncnn": {"width": 8, "depth": 4},
    "drunet": {"widths": (4, 6), "blocks": 1},
    "mwcnn": {"widths": (6, 8, 10), "convs": 1},
    "nafnet": {"width": 4, "encoders": (1,), "middle": 0, "decoders": (0,)},
    "rrdbnet": {"width": 8, "blocks": 1, "growth": 4, "scale": 1, "residual": True},
    "srvggnet": {"width": 8, "convs": 2, "scale": 1},
    "vgg_discriminator": {"filters": 4, "side": 32},
    "unet_discriminator": {"filters": 4},
}
COLLECTIONS = {"params", "batch_stats"}
# Networks that draw the image anew: they start anywhere.
NOT_RESIDUAL = {"pix2pix_resnet", "pix2pix_unet", "vae", "deblur_fcn", "drunet"}
DEEP = {
    *("dcgan", "deblur_fcn", "drunet", "mwcnn", "rrdbnet", "vae"),
    *("unet_discriminator", "vgg_discriminator"),
}
# Tens of blocks, all alike, take their seconds to trace.
SHALLOW = {
    "rrdbnet": {"blocks": 1},
    "nafnet": {"encoders": (1,), "decoders": (1,)},
}


def _walk(role):
    names = [entry.name for entry in pkgutil.iter_modules(models.__path__)]
    modules = {n: importlib.import_module(f"{models.__name__}.{n}") for n in names}
    return {n: getattr(m, role) for n, m in modules.items() if hasattr(m, role)}


GENERATORS, DISCRIMINATORS = _walk("Generator"), _walk("Discriminator")


def _marked(name):
    # Layer by layer without jit, or with their gradients, these take seconds.
    slow = [pytest.mark.slow] if name in DEEP or name.startswith("pix2pix") else []
    return pytest.param(name, marks=slow)


generators = pytest.mark.parametrize("name", GENERATORS)
discriminators = pytest.mark.parametrize("name", DISCRIMINATORS)
some_generators = pytest.mark.parametrize("name", [_marked(n) for n in GENERATORS])
some_discriminators = pytest.mark.parametrize(
    "name", [_marked(n) for n in DISCRIMINATORS]
)
dtypes = pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16], ids=str)


def _noise(*shape, seed=0):
    return jnp.asarray(np.random.default_rng(seed).random(shape, np.float32))


def _shapes(model, *inputs):
    """The shapes of the variables and of the output, without computing anything."""
    init = functools.partial(model.init, train=False)
    variables = jax.eval_shape(init, jax.random.key(0), *inputs)
    apply = functools.partial(model.apply, train=False)
    return variables, jax.eval_shape(apply, variables, *inputs)


def _init(model, *inputs):
    init = jax.jit(functools.partial(model.init, train=False))
    return init(jax.random.key(0, impl="rbg"), *inputs)  # quicker to compile


@functools.cache
def _tiny(role, name):
    """A small network, its jitted apply, and its variables."""
    model = _walk(role)[name](**TINY.get(name, {}))
    image = _noise(2, SIDE, SIDE, 3)
    inputs = (image,) if role == "Generator" else (image, image)
    variables = _init(model, *inputs)
    return model, jax.jit(functools.partial(model.apply, train=False)), variables


def _count(variables):
    return sum(leaf.size for leaf in jax.tree.leaves(variables["params"]))


def test_the_walk_finds_the_networks():
    assert set(GENERATORS) >= {"fcn", "unet"}
    assert set(DISCRIMINATORS) >= {"patchgan"}


# Every generator


@generators
@dtypes
def test_a_generator_restores_every_multiple_in_float32(name, dtype):
    model = GENERATORS[name](**SHALLOW.get(name, {}), dtype=dtype)
    assert model.scale >= 1 and model.multiple >= 1
    height, width = (model.multiple * (32 // model.multiple + k) for k in (1, 3))
    degraded = jax.ShapeDtypeStruct((2, height, width, 3), jnp.float32)
    variables, (restored, aux) = _shapes(model, degraded)
    assert restored.shape == (2, model.scale * height, model.scale * width, 3)
    assert restored.dtype == jnp.float32
    assert isinstance(aux, dict)
    assert set(variables) <= COLLECTIONS
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype("float32")}


@pytest.mark.parametrize("name", sorted(set(GENERATORS) - NOT_RESIDUAL))
def test_a_residual_generator_starts_exactly_at_the_identity(name):
    model, apply, variables = _tiny("Generator", name)
    degraded = _noise(2, SIDE, SIDE, 3, seed=1)
    restored, _ = apply(variables, degraded)
    assert model.scale == 1  # one that enlarges needs an identity of its own here
    np.testing.assert_array_equal(restored, degraded)


@generators
def test_a_generator_returns_colours_whatever_stands_beside_them(name):
    tiny = GENERATORS[name](**TINY.get(name, {}))
    degraded = jax.ShapeDtypeStruct((2, SIDE, SIDE, 4), jnp.float32)
    _, (restored, _) = _shapes(tiny, degraded)
    assert restored.shape == (2, tiny.scale * SIDE, tiny.scale * SIDE, 3)


def _away_from_the_start(variables):
    """The variables with every kernel moved, so that no layer is silent."""
    leaves, structure = jax.tree.flatten(variables)
    moved = [
        leaf + 0.05 * _noise(*leaf.shape, seed=index)
        for index, leaf in enumerate(leaves)
    ]
    return jax.tree.unflatten(structure, moved)


@some_generators
def test_a_generator_under_jit_restores_the_same(name):
    model, apply, variables = _tiny("Generator", name)
    variables = _away_from_the_start(variables)
    degraded = _noise(2, SIDE, SIDE, 3)
    plain, _ = model.apply(variables, degraded, train=False)
    restored, _ = apply(variables, degraded)
    assert (restored != degraded).any()
    np.testing.assert_allclose(restored, plain, rtol=1e-4, atol=1e-4)


@some_generators
def test_a_generator_has_a_finite_gradient_that_moves_its_first_step(name):
    model, _, variables = _tiny("Generator", name)
    degraded, target = _noise(2, SIDE, SIDE, 3), _noise(2, SIDE, SIDE, 3, seed=1)

    @jax.jit
    @jax.grad
    def gradient(params):
        restored, _ = model.apply(variables | {"params": params}, degraded, train=False)
        return jnp.abs(restored - target).mean()

    leaves = jax.tree.leaves(gradient(variables["params"]))
    assert all(np.isfinite(leaf).all() for leaf in leaves)
    assert any((leaf != 0).any() for leaf in leaves)


@some_generators
def test_images_of_a_batch_do_not_touch_each_other(name):
    _, apply, variables = _tiny("Generator", name)
    variables = _away_from_the_start(variables)
    degraded = _noise(2, SIDE, SIDE, 3)
    restored, _ = apply(variables, degraded)
    swapped, _ = apply(variables, degraded[::-1])
    np.testing.assert_allclose(restored, swapped[::-1], rtol=1e-5, atol=1e-5)


RRDBNET = {"width": 4, "blocks": 1, "growth": 2}
REACHING = [(n, TINY[n]) for n in GENERATORS if hasattr(GENERATORS[n], "reach")]
REACHING = [(n, options) for n, options in REACHING if n != "rrdbnet"] + [
    ("unet", {"widths": (4, 4, 4), "blocks": (1, 2, 1), "shuffle": 1}),
    ("srvggnet", {"width": 4, "convs": 1, "scale": 4}),
    # Enlarged by a product of matrices, a residual one hands a NaN to whole rows.
    *(("rrdbnet", {**RRDBNET, "scale": scale}) for scale in (4, 2, 1)),
    ("rrdbnet", {**RRDBNET, "scale": 2, "doublings": 0}),
]


@pytest.mark.parametrize(("name", "options"), REACHING)
def test_a_pixel_of_the_result_sees_as_far_as_its_network_says(name, options):
    model = GENERATORS[name](**options)
    multiple, reach = model.multiple, model.reach
    # Of a strip, one column at a time is not a number: whatever sees it is none either.
    middle = multiple * (reach // multiple + 2)
    columns = middle + np.arange(multiple)
    strips = np.zeros((multiple, multiple, 2 * middle, 3), np.float32)
    strips[np.arange(multiple), :, columns] = np.nan
    variables, _ = _shapes(model, strips)
    zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), variables)
    apply = jax.jit(functools.partial(model.apply, train=False))
    touched = np.isnan(apply(zeros, strips)[0]).any((1, 3))
    distances = [
        np.abs(np.flatnonzero(row) // model.scale - column).max()
        for row, column in zip(touched, columns, strict=True)
    ]
    assert reach - multiple < max(distances) <= reach


# Every discriminator


@discriminators
@dtypes
def test_a_discriminator_answers_in_float32_with_logits_of_each_image(name, dtype):
    model = DISCRIMINATORS[name](dtype=dtype)
    side = getattr(model, "side", 256)  # some judge one size
    image = jax.ShapeDtypeStruct((2, side, side, 3), jnp.float32)
    variables, logits = _shapes(model, image, image)
    assert logits.dtype == jnp.float32
    assert logits.ndim == 4 and logits.shape[0] == 2 and logits.shape[-1] == 1
    assert set(variables) <= COLLECTIONS
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype("float32")}


@some_discriminators
def test_a_discriminator_under_jit_answers_the_same(name):
    model, apply, variables = _tiny("Discriminator", name)
    variables = _away_from_the_start(variables)
    image, condition = _noise(2, SIDE, SIDE, 3), _noise(2, SIDE, SIDE, 3, seed=1)
    plain = model.apply(variables, image, condition, train=False)
    logits = apply(variables, image, condition)
    assert np.std(logits) > 0
    np.testing.assert_allclose(logits, plain, rtol=1e-3, atol=1e-5)


@some_discriminators
def test_a_discriminator_has_finite_gradients_on_images_without_contrast(name):
    model, _, variables = _tiny("Discriminator", name)
    variables = _away_from_the_start(variables)

    @jax.jit
    @functools.partial(jax.grad, argnums=(0, 1))
    def gradient(params, image):
        state = variables | {"params": params}
        return model.apply(state, image, image, train=False).sum()

    for image in (_noise(2, SIDE, SIDE, 3), jnp.zeros((2, SIDE, SIDE, 3))):
        for leaf in jax.tree.leaves(gradient(variables["params"], image)):
            assert np.isfinite(leaf).all()


@some_discriminators
def test_a_discriminator_has_a_gradient_that_moves_its_first_step(name):
    model, _, variables = _tiny("Discriminator", name)
    image = _noise(2, SIDE, SIDE, 3)

    @jax.jit
    @jax.grad
    def gradient(params):
        return model.apply(
            variables | {"params": params}, image, image, train=False
        ).sum()

    kernels = [
        leaf for leaf in jax.tree.leaves(gradient(variables["params"])) if leaf.ndim > 1
    ]
    assert any((leaf != 0).any() for leaf in kernels)


# Numbers of the papers and of systems.md


@pytest.mark.parametrize(
    ("model", "count"),
    [
        (fcn.Generator(), 1_222_147),
        (unet.Generator(), 1_736_364),
        (unet.Generator((40, 80, 120), (1, 1, 2)), 919_132),
        (unet.Generator((24, 48, 72), (1, 1, 1), shuffle=1), 236_019),
    ],
)
def test_a_generator_has_the_stated_number_of_parameters(model, count):
    image = jax.ShapeDtypeStruct((1, SIDE, SIDE, 3), jnp.float32)
    assert _count(_shapes(model, image)[0]) == count


@pytest.mark.parametrize(
    ("stages", "count", "side"),
    [
        (1, 139_585, 126),
        (2, 666_433, 62),
        (3, 2_768_705, 30),
        (4, 6_964_033, 14),
        (5, 11_159_361, 6),
    ],
)
def test_patchgan_has_the_parameters_and_the_map_of_the_reference(stages, count, side):
    image = jax.ShapeDtypeStruct((1, 256, 256, 3), jnp.float32)
    model = patchgan.Discriminator(stages=stages, norm="batch")
    variables, logits = _shapes(model, image, image)
    assert _count(variables) == count
    assert logits.shape == (1, side, side, 1)
    alone = patchgan.Discriminator(stages=stages, norm="batch", conditional=False)
    # Three channels less into 64 filters of 4x4.
    assert _count(_shapes(alone, image, image)[0]) == count - 3 * 64 * 16
    number = patchgan.Discriminator(stages=stages, norm="batch", one_number=True)
    variables, logits = _shapes(number, image, image)
    assert (_count(variables), logits.shape) == (count, (1, 1, 1, 1))


def test_an_unconditional_patchgan_has_the_parameters_of_the_reference():
    image = jax.ShapeDtypeStruct((1, 256, 256, 3), jnp.float32)
    model = patchgan.Discriminator(norm="batch", conditional=False)
    assert _count(_shapes(model, image, image)[0]) == 2_765_633


def _extent(touched):
    """The height and width of the smallest rectangle around the touched pixels."""
    rows, columns = np.flatnonzero(touched.any(1)), np.flatnonzero(touched.any(0))
    return np.ptp(rows) + 1, np.ptp(columns) + 1


@pytest.mark.parametrize(("stages", "field"), [(1, 16), (2, 34), (3, 70)])
def test_a_logit_of_patchgan_sees_a_patch_of_the_stated_side(stages, field):
    model = patchgan.Discriminator(filters=2, stages=stages, norm="none")
    image = _noise(1, 112, 112, 1)
    variables = _init(model, image, image)

    @jax.jit
    @jax.grad
    def gradient(image):
        logits = jnp.asarray(model.apply(variables, image, 0 * image, train=False))
        return logits[0, logits.shape[1] // 2, logits.shape[2] // 2, 0]

    touched = np.asarray(gradient(image))[0, ..., 0] != 0
    assert _extent(touched) == (field, field)


@pytest.mark.parametrize("blocks", [1, 3])
def test_a_pixel_of_fcn_sees_the_stated_window(blocks):
    model = fcn.Generator(width=3, blocks=blocks)
    image = _noise(1, 31, 31, 3)
    variables = _init(model, image)
    # Positive weights on a positive image: no ReLU is off.
    variables = jax.tree.map(lambda leaf: jnp.abs(leaf) + 0.01, variables)

    @jax.jit
    @jax.grad
    def gradient(image):
        return model.apply(variables, image, train=False)[0][0, 15, 15, 0]

    touched = np.asarray(gradient(image))[0].any(-1)
    assert _extent(touched) == (4 * blocks + 7, 4 * blocks + 7)


def test_one_number_is_the_mean_of_the_map():
    image, condition = _noise(2, SIDE, SIDE, 3), _noise(2, SIDE, SIDE, 3, seed=1)
    _, apply, variables = _tiny("Discriminator", "patchgan")
    number = patchgan.Discriminator(**TINY["patchgan"], one_number=True)
    mean = apply(variables, image, condition).mean((1, 2), keepdims=True)
    result = np.asarray(number.apply(variables, image, condition, train=False))
    np.testing.assert_allclose(result, mean, atol=1e-6)


@pytest.mark.parametrize("conditional", [True, False])
def test_only_a_conditional_patchgan_heeds_the_condition(conditional):
    model = patchgan.Discriminator(filters=4, stages=1, conditional=conditional)
    image, condition = _noise(1, SIDE, SIDE, 3), _noise(1, SIDE, SIDE, 3, seed=1)
    variables = _init(model, image, image)
    apply = jax.jit(functools.partial(model.apply, train=False))
    same = apply(variables, image, condition) == apply(variables, image, image)
    assert same.all() != conditional


# Layers


@pytest.mark.parametrize(
    ("kernel", "stride", "padding"), [(3, 1, None), (3, 2, 1), (4, 2, 1), (1, 1, None)]
)
def test_a_convolution_pads_alike_on_all_sides(kernel, stride, padding):
    image = _noise(1, 9, 11, 2)
    layer = layers.Conv(3, kernel=kernel, stride=stride, padding=padding)
    variables = layer.init(jax.random.key(0), image)
    result = np.asarray(layer.apply(variables, image))
    weights = np.asarray(variables["params"]["conv"]["kernel"], np.float64)
    sides = kernel // 2 if padding is None else padding
    padded = np.pad(image[0], ((sides, sides), (sides, sides), (0, 0)))
    for out in range(3):
        channels = [
            scipy.signal.correlate2d(padded[..., c], weights[..., c, out], "valid")
            for c in range(2)
        ]
        expected = np.add(*channels)[::stride, ::stride]
        np.testing.assert_allclose(result[0, ..., out], expected, atol=1e-5)


def test_a_block_adds_three_tenths_of_its_branch():
    x = _noise(1, 6, 7, 4) - 0.5
    variables = layers.Block().init(jax.random.key(0), x)
    conv = layers.Conv(4)
    first, second = ({"params": variables["params"][n]} for n in ("conv1", "conv2"))
    inner = jnp.maximum(jnp.asarray(conv.apply(first, x)), 0)
    branch = np.asarray(conv.apply(second, inner))
    result = np.asarray(layers.Block().apply(variables, x))
    np.testing.assert_allclose(result, x + 0.3 * branch, rtol=1e-5, atol=1e-6)


def test_instance_normalisation_of_two_pixels_equals_hand_computed_numbers():
    x = jnp.array([[0.0, 2.0], [7.0, 7.0]]).reshape(2, 1, 2, 1)
    norm = layers.Norm("instance")
    assert norm.init(jax.random.key(0), x, train=True) == {}
    result = np.asarray(norm.apply({}, x, train=True))
    one = 1 / np.sqrt(1 + 1e-5)
    np.testing.assert_allclose(result.reshape(2, 2), [[-one, one], [0, 0]], rtol=1e-6)


def test_batch_normalisation_moves_its_statistics_by_a_tenth():
    x = 3 * _noise(4, 5, 6, 2) + 1
    norm = layers.Norm("batch")
    variables = norm.init(jax.random.key(0), x, train=False)
    result, moved = norm.apply(variables, x, train=True, mutable=["batch_stats"])
    mean, variance = (np.asarray(f(x, (0, 1, 2))) for f in (np.mean, np.var))
    stats = {n: np.asarray(x) for n, x in moved["batch_stats"]["batch"].items()}
    np.testing.assert_allclose(stats["mean"], 0.1 * mean, rtol=1e-5)
    np.testing.assert_allclose(stats["var"], 0.9 + 0.1 * variance, rtol=1e-5)
    scale = np.asarray(variables["params"]["batch"]["scale"])
    expected = (np.asarray(x) - mean) / np.sqrt(variance + 1e-5) * scale
    np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-5)
    # Evaluation uses the moved statistics and leaves them.
    evaluated = np.asarray(norm.apply({**variables, **moved}, x, train=False))
    expected = (np.asarray(x) - stats["mean"]) / np.sqrt(stats["var"] + 1e-5) * scale
    np.testing.assert_allclose(evaluated, expected, rtol=1e-4, atol=1e-5)


def test_no_normalisation_returns_its_input():
    x = _noise(1, 3, 3, 2)
    np.testing.assert_array_equal(layers.Norm("none").apply({}, x, train=True), x)


def test_an_unknown_normalisation_is_answered_with_the_known_ones():
    with pytest.raises(ValueError, match=r"'batchnorm'.*none, instance or batch"):
        layers.Norm("batchnorm").init(jax.random.key(0), _noise(1, 2, 2, 1), train=True)


def test_spectral_normalisation_brings_every_kernel_to_one():
    model = patchgan.Discriminator(filters=4, stages=1, spectral_norm=True)
    image = _noise(1, SIDE, SIDE, 3)
    variables = _init(model, image, image)
    assert set(variables) == {"params", "batch_stats"}
    plain = patchgan.Discriminator(filters=4, stages=1)
    assert _count(variables) == _count(_shapes(plain, image, image)[0])

    @jax.jit
    def train(variables):
        _, moved = model.apply(
            variables, image, image, train=True, mutable=["batch_stats"]
        )
        return variables | moved

    for _ in range(20):
        variables = train(variables)
    for name, layer in variables["params"].items():
        kernel = np.asarray(layer["conv"]["kernel"])
        sigma = variables["batch_stats"][name]["norm"]["conv/kernel/sigma"]
        largest = np.linalg.svd(kernel.reshape(-1, kernel.shape[-1]))[1].max()
        assert largest / sigma == pytest.approx(1, abs=1e-2), name


def test_a_spectrally_normalised_convolution_divides_by_sigma():
    image = _noise(1, 8, 8, 3)
    normalised, plain = layers.Conv(4, spectral_norm=True), layers.Conv(4)
    variables = normalised.init(jax.random.key(0), image)
    for _ in range(30):
        _, moved = normalised.apply(
            variables, image, train=True, mutable=["batch_stats"]
        )
        variables = {**variables, **moved}
    kernel = np.asarray(variables["params"]["conv"]["kernel"])
    largest = np.linalg.svd(kernel.reshape(-1, 4))[1].max()
    bias = variables["params"]["conv"]["bias"]
    params = {"conv": {"kernel": jnp.asarray(kernel / largest), "bias": bias}}
    expected = np.asarray(plain.apply({"params": params}, image))
    result = np.asarray(normalised.apply(variables, image, train=False))
    np.testing.assert_allclose(result, expected, rtol=1e-2, atol=1e-3)
