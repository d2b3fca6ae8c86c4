import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrestore.ops import products


def _noise(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize(("channels", "features"), [(3, 5), (5, 3), (4, 4)])
def test_a_product_and_its_gradients_are_those_of_matrices(channels, features):
    x, weights = _noise(2, 3, 4, channels), _noise(channels, features, seed=1)
    cotangent = _noise(2, 3, 4, features, seed=2)

    def inner(x, weights):
        return (products.product(x, weights) * cotangent).sum()

    gradient = jax.jit(jax.value_and_grad(inner, argnums=(0, 1)))
    value, (by_x, by_weights) = gradient(jnp.asarray(x), jnp.asarray(weights))
    np.testing.assert_allclose(value, (x @ weights * cotangent).sum(), rtol=1e-4)
    np.testing.assert_allclose(by_x, cotangent @ weights.T, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        by_weights, np.einsum("bhwc,bhwd->cd", x, cotangent), rtol=1e-4, atol=1e-5
    )


def test_no_transposed_cotangent_is_written_out_on_a_cpu():
    # What the module is for: the copy takes longer than the product.
    rows, channels = 64, 32
    weights = jnp.zeros((channels, channels))

    def inner(x, first, second):
        h = jnp.tanh(products.product(x, first))
        return (jnp.tanh(products.product(h, second)) * x).sum()

    gradient = jax.jit(jax.grad(inner, argnums=(1, 2)))
    x = jnp.zeros((1, rows, channels))
    compiled = gradient.lower(x, weights, weights).compile().as_text()
    assert f"f32[{channels},1,{rows}]" not in str(compiled)


def test_a_product_of_few_rows_and_its_transpose_are_those_of_matrices():
    rows, weights = jnp.asarray(_noise(2, 5)), jnp.asarray(_noise(5, 7, seed=1))
    by_few, pull = jax.vjp(products.of_few_rows, rows, weights)
    back, pull_back = jax.vjp(products.of_few_rows_transposed, by_few, weights)
    np.testing.assert_allclose(by_few, rows @ weights, rtol=1e-5)
    np.testing.assert_allclose(back, rows @ weights @ weights.T, rtol=1e-4)
    along = jnp.asarray(_noise(2, 7, seed=2))
    for found, expected in zip(
        pull(along), (along @ weights.T, rows.T @ along), strict=True
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    for found, expected in zip(
        pull_back(rows), (rows @ weights, rows.T @ by_few), strict=True
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
