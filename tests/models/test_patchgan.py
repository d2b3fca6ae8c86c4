import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import untrained

from jaxrestore.models import patchgan

SIDE = 32


def _shapes(model, *inputs):
    """The shapes of the variables and of the output, without computing anything."""
    begin = functools.partial(model.init_with_output, train=False)
    logits, variables = jax.eval_shape(begin, jax.random.key(0), *inputs)
    return variables, logits


def _extent(touched):
    """The height and width of the smallest rectangle around the touched pixels."""
    rows, columns = np.flatnonzero(touched.any(1)), np.flatnonzero(touched.any(0))
    return np.ptp(rows) + 1, np.ptp(columns) + 1


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
    assert untrained.count(variables) == count
    assert logits.shape == (1, side, side, 1)
    alone = patchgan.Discriminator(stages=stages, norm="batch", conditional=False)
    # Three channels less into 64 filters of 4x4.
    assert untrained.count(_shapes(alone, image, image)[0]) == count - 3 * 64 * 16
    number = patchgan.Discriminator(stages=stages, norm="batch", one_number=True)
    variables, logits = _shapes(number, image, image)
    assert (untrained.count(variables), logits.shape) == (count, (1, 1, 1, 1))


def test_an_unconditional_patchgan_has_the_parameters_of_the_reference():
    image = jax.ShapeDtypeStruct((1, 256, 256, 3), jnp.float32)
    model = patchgan.Discriminator(norm="batch", conditional=False)
    assert untrained.count(_shapes(model, image, image)[0]) == 2_765_633


@pytest.mark.parametrize(("stages", "field"), [(1, 16), (2, 34), (3, 70)])
def test_a_logit_of_patchgan_sees_a_patch_of_the_stated_side(stages, field):
    model = patchgan.Discriminator(filters=2, stages=stages, norm="none")
    image = untrained.noise(1, 112, 112, 1)
    variables = untrained.init(model, image, image)

    @jax.jit
    @jax.grad
    def gradient(image):
        logits = jnp.asarray(model.apply(variables, image, 0 * image, train=False))
        return logits[0, logits.shape[1] // 2, logits.shape[2] // 2, 0]

    touched = np.asarray(gradient(image))[0, ..., 0] != 0
    assert _extent(touched) == (field, field)


def test_one_number_is_the_mean_of_the_map():
    image, condition = (
        untrained.noise(2, SIDE, SIDE, 3),
        untrained.noise(2, SIDE, SIDE, 3, seed=1),
    )
    model = patchgan.Discriminator(filters=4, stages=1)
    variables = untrained.init(model, image, condition)
    judged = lambda model: jax.jit(functools.partial(model.apply, train=False))(
        variables, image, condition
    )
    map_ = np.asarray(judged(model))
    number = patchgan.Discriminator(filters=4, stages=1, one_number=True)
    np.testing.assert_allclose(
        judged(number), map_.mean((1, 2), keepdims=True), atol=1e-6
    )


@pytest.mark.parametrize("conditional", [True, False])
def test_only_a_conditional_patchgan_heeds_the_condition(conditional):
    model = patchgan.Discriminator(filters=4, stages=1, conditional=conditional)
    image, condition = (
        untrained.noise(1, SIDE, SIDE, 3),
        untrained.noise(1, SIDE, SIDE, 3, seed=1),
    )
    variables = untrained.init(model, image, image)
    apply = jax.jit(functools.partial(model.apply, train=False))
    same = apply(variables, image, condition) == apply(variables, image, image)
    assert same.all() != conditional


def test_spectral_normalisation_brings_every_kernel_to_one():
    model = patchgan.Discriminator(filters=4, stages=1, spectral_norm=True)
    image = untrained.noise(1, SIDE, SIDE, 3)
    variables = untrained.init(model, image, image)
    assert set(variables) == {"params", "batch_stats"}
    plain = patchgan.Discriminator(filters=4, stages=1)
    assert untrained.count(variables) == untrained.count(
        _shapes(plain, image, image)[0]
    )

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
