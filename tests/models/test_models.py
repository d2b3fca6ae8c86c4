import functools
import importlib
import pkgutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import untrained

from jaxrestore import models

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
    "ffdnet": {"width": 8, "depth": 3},
    "mwcnn": {"widths": (6, 8, 10), "convs": 1},
    "nafnet": {"width": 4, "encoders": (1,), "middle": 0, "decoders": (0,)},
    "rrdbnet": {"width": 8, "blocks": 1, "growth": 4, "scale": 1, "residual": True},
    "skip": {"widths": (4, 6), "skips": (2, 0)},
    "srvggnet": {"width": 8, "convs": 2, "scale": 1},
    "vgg_discriminator": {"filters": 4, "side": 32},
    "unet_discriminator": {"filters": 4},
    "deepfill": {"width": 4},
    "deepfill_critics": {"filters": 2},
    "sn_patchgan": {"filters": 2},
}
# Channels of what a generator takes, where they are not three: a mask is one more.
CHANNELS = {"deepfill": 4}
COLLECTIONS = {"params", "batch_stats"}
# Networks that draw the image anew: they start anywhere.
NOT_RESIDUAL = {
    "pix2pix_resnet",
    "pix2pix_unet",
    "vae",
    "deblur_fcn",
    "drunet",
    "ffdnet",
    "deepfill",
    "skip",
}
DEEP = {
    *("dcgan", "deblur_fcn", "drunet", "mwcnn", "rrdbnet", "skip", "vae"),
    *("unet_discriminator", "vgg_discriminator"),
    *("deepfill", "deepfill_critics", "sn_patchgan"),
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


def _shapes(model, *inputs):
    """The shapes of the variables and of the output, without computing anything."""
    init = functools.partial(model.init, train=False)
    variables = jax.eval_shape(init, jax.random.key(0), *inputs)
    apply = functools.partial(model.apply, train=False)
    return variables, jax.eval_shape(apply, variables, *inputs)


def _degraded(name, seed=0):
    return untrained.noise(2, SIDE, SIDE, CHANNELS.get(name, 3), seed=seed)


@functools.cache
def _tiny(role, name):
    """A small network, its jitted apply, and its variables."""
    model = _walk(role)[name](**TINY.get(name, {}))
    image = _degraded(name)
    inputs = (image,) if role == "Generator" else (image, image)
    variables = untrained.init(model, *inputs)
    return model, jax.jit(functools.partial(model.apply, train=False)), variables


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
    shape = (2, height, width, CHANNELS.get(name, 3))
    degraded = jax.ShapeDtypeStruct(shape, jnp.float32)
    variables, (restored, aux) = _shapes(model, degraded)
    assert restored.shape == (2, model.scale * height, model.scale * width, 3)
    assert restored.dtype == jnp.float32
    assert isinstance(aux, dict)
    assert set(variables) <= COLLECTIONS
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype("float32")}


@pytest.mark.parametrize("name", sorted(set(GENERATORS) - NOT_RESIDUAL))
def test_a_residual_generator_starts_exactly_at_the_identity(name):
    model, apply, variables = _tiny("Generator", name)
    degraded = untrained.noise(2, SIDE, SIDE, 3, seed=1)
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
        leaf + 0.05 * untrained.noise(*leaf.shape, seed=index)
        for index, leaf in enumerate(leaves)
    ]
    return jax.tree.unflatten(structure, moved)


@some_generators
def test_a_generator_under_jit_restores_the_same(name):
    model, apply, variables = _tiny("Generator", name)
    variables = _away_from_the_start(variables)
    degraded = _degraded(name)
    plain, _ = model.apply(variables, degraded, train=False)
    restored, _ = apply(variables, degraded)
    assert (restored != degraded[..., :3]).any()
    np.testing.assert_allclose(restored, plain, rtol=1e-4, atol=1e-4)


@some_generators
def test_a_generator_has_a_finite_gradient_that_moves_its_first_step(name):
    model, _, variables = _tiny("Generator", name)
    degraded, target = _degraded(name), untrained.noise(2, SIDE, SIDE, 3, seed=1)

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
    degraded = _degraded(name)
    restored, _ = apply(variables, degraded)
    swapped, _ = apply(variables, degraded[::-1])
    np.testing.assert_allclose(restored, swapped[::-1], rtol=1e-5, atol=1e-5)


RRDBNET = {"width": 4, "blocks": 1, "growth": 2}
REACHING = [(n, TINY[n]) for n in GENERATORS if hasattr(GENERATORS[n], "reach")]
OTHER = ("nafnet", "rrdbnet")  # of other options
REACHING = [(n, options) for n, options in REACHING if n not in OTHER] + [
    ("nafnet", {**TINY["nafnet"], "middle": 1, "local_statistics": 12}),
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
    middle = multiple * (2 * reach // multiple + 2)  # by a border some see further
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
    # A map of them, or some an image: modes take the mean of whatever there is.
    assert logits.ndim in (2, 4) and logits.shape[0] == 2
    assert set(variables) <= COLLECTIONS
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype("float32")}


@some_discriminators
def test_a_discriminator_under_jit_answers_the_same(name):
    model, apply, variables = _tiny("Discriminator", name)
    variables = _away_from_the_start(variables)
    image, condition = (
        untrained.noise(2, SIDE, SIDE, 3),
        untrained.noise(2, SIDE, SIDE, 3, seed=1),
    )
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

    for image in (untrained.noise(2, SIDE, SIDE, 3), jnp.zeros((2, SIDE, SIDE, 3))):
        for leaf in jax.tree.leaves(gradient(variables["params"], image)):
            assert np.isfinite(leaf).all()


@some_discriminators
def test_a_discriminator_has_a_gradient_that_moves_its_first_step(name):
    model, _, variables = _tiny("Discriminator", name)
    image = untrained.noise(2, SIDE, SIDE, 3)

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
