"""Products of many rows and few weights, with gradients in the order that is quick.

As JAX derives the gradient by the weights, XLA's CPU compiler writes the cotangent out
transposed, which takes longer than the product.
"""

import jax
from jaxtyping import Array, Float


@jax.custom_vjp
def product(
    x: Float[Array, "*b c"], weights: Float[Array, "c d"]
) -> Float[Array, "*b d"]:
    """Returns `x @ weights`. Derivatives in reverse mode only."""
    return x @ weights


def by_weights(
    x: Float[Array, "*b c"], cotangent: Float[Array, "*b d"]
) -> Float[Array, "c d"]:
    """Returns the gradient of `product` by its weights."""
    rows = [array.reshape(-1, array.shape[-1]) for array in (x, cotangent)]
    if cotangent.shape[-1] < x.shape[-1]:
        # The barrier: with the sides exchanged again it takes twice as long.
        return jax.lax.optimization_barrier(rows[1].T @ rows[0]).T
    return rows[0].T @ rows[1]


product.defvjp(
    lambda x, weights: (product(x, weights), (x, weights)),
    lambda kept, cotangent: (cotangent @ kept[1].T, by_weights(kept[0], cotangent)),
)
