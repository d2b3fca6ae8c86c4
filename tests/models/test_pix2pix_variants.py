import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import untrained

from jaxrestore import networks
from jaxrestore.models import layers, pix2pix_unet, pixel_gan

GENERATORS = {
    "pix2pix_unet": {"filters": 4, "downs": 2, "dropout": 0.0},
    "pix2pix_resnet": {"filters": 4, "blocks": 1},
}
generators = pytest.mark.parametrize("name", GENERATORS)
upsamplings = pytest.mark.parametrize(
    "upsampling", ["deconv", "resize_conv", "subpixel"]
)


# Upsampling


def _upsampling(method, *, kernel=4, kernel_init=None):
    class Upsampling(nn.Module):
        @nn.compact
        def __call__(self, x):
            init = kernel_init or layers.initializer("normal", 0.5)
            options = {"method": method, "kernel": kernel, "kernel_init": init}
            return layers.upsampled(x, 5, name="up", **options)

    return Upsampling()


def _begun(layer, x, **options):
    """What a layer makes of x with drawn variables, and these."""
    begin = functools.partial(layer.init_with_output, **options)
    return jax.jit(begin)(jax.random.key(0), x)


@upsamplings
@pytest.mark.parametrize("kernel", [3, 4])
def test_an_upsampling_doubles_the_sides(upsampling, kernel):
    layer = _upsampling(upsampling, kernel=kernel)
    result, _ = _begun(layer, untrained.noise(2, 3, 5, 4))
    assert result.shape == (2, 6, 10, 5)


def _ripple(upsampling):
    """How far the map of a constant one is from constant, two pixels off its border."""
    layer, constant = _upsampling(upsampling), jnp.ones((1, 6, 6, 4))
    result, _ = _begun(layer, constant)
    return float(np.ptp(result[:, 2:-2, 2:-2], (1, 2)).max())


def test_only_a_transposed_convolution_draws_a_checkerboard_at_the_start():
    assert _ripple("resize_conv") < 1e-5
    assert _ripple("subpixel") < 1e-5
    assert _ripple("deconv") > 0.1


def test_repeated_pixels_are_convolved_as_by_hand():
    # A kernel of ones: each pixel is the sum of 3x3 pixels of the doubled map.
    layer = _upsampling("resize_conv", kernel_init=nn.initializers.ones)
    x = jnp.array([[1.0, 10.0]]).reshape(1, 1, 2, 1)
    result, _ = _begun(layer, x)
    np.testing.assert_allclose(result[0, :, :, 0], [[4, 24, 42, 40]] * 2)


def test_a_subpixel_convolution_puts_its_quarters_beside_each_other():
    layer, x = _upsampling("subpixel"), untrained.noise(1, 3, 4, 2)
    _, variables = _begun(layer, x)
    # Any kernel, not the start at which the four pixels are alike.
    variables = jax.tree.map(lambda leaf: untrained.noise(*leaf.shape), variables)
    conv = {"params": variables["params"]["up"]}
    quarters = np.asarray(jax.jit(layers.Conv(20).apply)(conv, x))
    result = np.asarray(jax.jit(layer.apply)(variables, x))
    for index, (row, column) in enumerate([(0, 0), (0, 1), (1, 0), (1, 1)]):
        quarter = quarters[..., 5 * index : 5 * index + 5]
        np.testing.assert_allclose(result[:, row::2, column::2], quarter, rtol=1e-6)


@upsamplings
def test_an_upsampling_has_finite_gradients(upsampling):
    layer, x = _upsampling(upsampling), untrained.noise(2, 3, 4, 2)
    _, variables = _begun(layer, x)
    loss = lambda v: jnp.square(jnp.asarray(layer.apply(v, x))).sum()
    gradients = jax.jit(jax.grad(loss))(variables)
    for leaf in jax.tree.leaves(gradients):
        assert np.isfinite(leaf).all() and (leaf != 0).all()


@generators
@upsamplings
def test_a_generator_with_any_upsampling_keeps_the_sides(name, upsampling):
    options = {**GENERATORS[name], "upsampling": upsampling}
    model = networks.build("Generator", {"name": name, **options})
    image = jax.ShapeDtypeStruct((2, 16, 24, 3), jnp.float32)
    apply = functools.partial(model.apply, train=False)
    restored, _ = jax.eval_shape(apply, untrained.shapes(model, image), image)
    assert restored.shape == image.shape


def test_an_unknown_upsampling_is_answered_with_the_known_ones():
    model = pix2pix_unet.Generator(filters=2, downs=2, upsampling="bilinear")
    with pytest.raises(
        ValueError, match=r"'bilinear'.*deconv, resize_conv or subpixel"
    ):
        untrained.shapes(model, untrained.image(8))


# Residual


@pytest.mark.parametrize(
    ("name", "upsampling"),
    [
        ("pix2pix_unet", "deconv"),
        ("pix2pix_unet", "subpixel"),
        ("pix2pix_resnet", "resize_conv"),
    ],
)
def test_a_residual_one_starts_at_the_identity_and_can_leave_it(name, upsampling):
    options = {**GENERATORS[name], "upsampling": upsampling, "residual": True}
    model = networks.build("Generator", {"name": name, **options})
    # A hole mask beside the colours, and values that a tanh could not return.
    image, target = (
        3 * untrained.noise(2, 16, 16, 4) - 1,
        untrained.noise(2, 16, 16, 3, seed=1),
    )

    last = "up0" if name == "pix2pix_unet" else "last"

    @jax.jit
    def start(key):
        variables = model.init(key, image, train=False)

        def loss(layer):
            state = {**variables, "params": {**variables["params"], last: layer}}
            restored, _ = model.apply(state, image, train=False)
            return jnp.abs(restored - target).mean(), restored

        return jax.grad(loss, has_aux=True)(variables["params"][last])

    gradients, restored = start(jax.random.key(0))
    np.testing.assert_array_equal(restored, image[..., :3])
    assert (gradients["conv"]["kernel"] != 0).any()
    assert (gradients["conv"]["bias"] != 0).all()


# How weights are drawn


def _deviation(kind, gain, takes, makes):
    """The standard deviation of one weight; `takes` and `makes` as PyTorch counts."""
    return {
        "normal": gain,
        "xavier": gain * np.sqrt(2 / (takes + makes)),
        "kaiming": np.sqrt(2 / takes),
    }[kind]


@pytest.mark.parametrize("kind", ["normal", "xavier", "kaiming"])
@pytest.mark.parametrize("layer", [layers.Conv, layers.ConvTranspose])
def test_drawn_weights_have_the_deviation_of_pytorch(layer, kind):
    conv = layer(48, kernel=4, kernel_init=layers.initializer(kind, 0.3))
    kernel = _begun(conv, jnp.zeros((1, 8, 8, 24)))[1]["params"]["conv"]
    # PyTorch counts the second side of a weight as what it takes: of a transposed
    # convolution those are the channels it makes.
    takes, makes = (24, 48) if layer is layers.Conv else (48, 24)
    deviation = _deviation(kind, 0.3, 16 * takes, 16 * makes)
    assert np.std(kernel["kernel"]) == pytest.approx(deviation, rel=0.02)
    assert abs(np.mean(kernel["kernel"])) < 0.03 * deviation
    np.testing.assert_array_equal(kernel["bias"], 0)


@pytest.mark.parametrize("shape", [(3, 3, 2, 30), (4, 4, 3, 5)])
def test_orthogonal_weights_are_orthogonal_and_as_long_as_the_gain(shape):
    kernel = layers.initializer("orthogonal", 0.5)(jax.random.key(0), shape)
    # PyTorch's weight is [last side, the others]: fewer rows than columns, or more.
    rows = np.asarray(kernel).reshape(-1, shape[-1]).T
    short = rows if len(rows) < rows.shape[1] else rows.T
    np.testing.assert_allclose(short @ short.T, 0.25 * np.eye(len(short)), atol=1e-5)


NETWORKS = {
    "pix2pix_unet": ("Generator", {"downs": 5}),
    "pix2pix_resnet": ("Generator", {"blocks": 1}),
    "patchgan": ("Discriminator", {}),
    "pixel_gan": ("Discriminator", {}),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_every_layer_of_a_network_is_drawn_as_named(name):
    role, options = NETWORKS[name]
    recipe = {"name": name, **options, "initialization": "xavier", "gain": 0.1}
    model = networks.build(role, recipe)
    shape = (4, 4, 16, 32)
    drawn = []

    def record(call, arguments, options, context):
        if isinstance(context.module, layers.Conv | layers.ConvTranspose):
            drawn.append(context.module.kernel_init(jax.random.key(0), shape))
        return call(*arguments, **options)

    with nn.intercept_methods(record), jax.ensure_compile_time_eval():
        untrained.shapes(
            model, *[untrained.image(32)] * (1 if role == "Generator" else 2)
        )
    assert len(drawn) >= 3
    for kernel in drawn:
        expected = _deviation("xavier", 0.1, 16 * 16, 16 * 32)
        assert np.std(kernel) == pytest.approx(expected, rel=0.03)


def test_the_scale_of_batch_normalisation_is_drawn_around_one():
    x = jnp.zeros((1, 1, 1, 4000))
    drawn = _begun(layers.Norm("batch"), x, train=False)[1]["params"]
    scale = np.asarray(drawn["batch"]["scale"])
    assert scale.mean() == pytest.approx(1, abs=2e-3)
    assert scale.std() == pytest.approx(0.02, rel=0.04)
    np.testing.assert_array_equal(drawn["batch"]["bias"], 0)


def test_an_unknown_initialization_is_answered_with_the_known_ones():
    model = pixel_gan.Discriminator(initialization="he")
    with pytest.raises(
        ValueError, match=r"'he'.*normal, xavier, kaiming or orthogonal"
    ):
        untrained.shapes(model, untrained.image(8), untrained.image(8))
