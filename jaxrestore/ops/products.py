"""Products of matrices, with gradients in the order that is quick.

Of many rows and few weights, as JAX derives the gradient by the weights, XLA's CPU
compiler writes the cotangent out transposed, which takes longer than the product. Of
few rows it would copy the many weights to transpose them, and so in the gradients.
"""

import jax
from jaxtyping import Array, Float


@jax.custom_vjp
def product(
    x: Float[Array, "*b c"], weights: Float[Array, "c d"]
) -> Float[Array, "*b d"]:
    """Returns `x @ weights`, of many rows. Derivatives in reverse mode only."""
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


@jax.custom_vjp
def of_few_rows(
    rows: Float[Array, "n c"], weights: Float[Array, "c d"]
) -> Float[Array, "n d"]:
    """Returns `rows @ weights`. Derivatives in reverse mode only, of any order."""
    return rows @ weights


@jax.custom_vjp
def of_few_rows_transposed(
    rows: Float[Array, "n d"], weights: Float[Array, "c d"]
) -> Float[Array, "n c"]:
    """Returns `rows @ weights.T`. Derivatives as of `of_few_rows`."""
    return (weights @ rows.T).T


of_few_rows.defvjp(
    lambda rows, weights: (of_few_rows(rows, weights), (rows, weights)),
    lambda kept, g: (of_few_rows_transposed(g, kept[1]), kept[0].T @ g),
)
of_few_rows_transposed.defvjp(
    lambda rows, weights: (of_few_rows_transposed(rows, weights), (rows, weights)),
    lambda kept, g: (of_few_rows(g, kept[1]), g.T @ kept[0]),
)
