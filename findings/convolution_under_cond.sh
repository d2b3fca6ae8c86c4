#!/usr/bin/env bash
# jax 0.10.2 on CPU: a convolution's weight gradient is tens of times slower in cond.
#
# Done: timed the gradient of a strided convolution (4 pictures of 64 x 64, channels
# last, 32 to 64 features) with respect to its weights, alternating and by medians:
# jitted by itself; jitted inside a branch of lax.cond that is always taken; and
# jitted outside the cond, with jnp.where choosing afterwards. Forward pass and gradient
# with respect to the picture were timed in cond for comparison.
#
# Seen: 6 ms by itself and 490 ms in the branch, on two cores, for the same numbers; 24
# to 60 times as long where the machine was busy. The forward pass loses next to nothing
# in the branch, the gradient with respect to the picture less than a factor of three.
#
# Why: the compiled programs differ (lower(...).compile().as_text() shows it). By itself
# the gradient is rewritten with batch first and features last, its dim_labels are
# b01f_01io->b01f. Within the branch it keeps what differentiation made of it,
# f01b_i01o->01bf. Loops are known to slow convolutions that put channels first; here
# everything that was written has them last, and a cond is what one uses to save work:
# by these times, a gradient taken at every third step in a cond costs many times what
# it costs at every step without one.
#
# Instead: compute the gradient outside the cond and choose with jnp.where, or write
# the weight gradient as a convolution whose operands are transposed to batch first.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3.11}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  "jax==0.10.2" "jaxlib==0.10.2" "numpy==2.4.6" || exit 2

"$folder/venv/bin/python" - <<'PYTHON'
import os
import sys
import time

os.environ["JAX_PLATFORMS"] = "cpu"

import jax
import jax.numpy as jnp
import numpy as np

pictures = jax.random.normal(jax.random.key(0), (4, 64, 64, 32))
weights = 0.01 * jax.random.normal(jax.random.key(1), (4, 4, 32, 64))
taken = jnp.asarray(True)


def convolution(weights, pictures):
    layout = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(
        pictures, weights, (2, 2), "SAME", dimension_numbers=layout
    )


def energy(weights, pictures):
    return jnp.sum(convolution(weights, pictures) ** 2)


def in_cond(function):
    def branch(taken, weights, pictures):
        shape = jax.eval_shape(function, weights, pictures).shape
        return jax.lax.cond(
            taken, function, lambda *_: jnp.zeros(shape), weights, pictures
        )

    return jax.jit(branch)


def chosen_afterwards(taken, weights, pictures):
    return jnp.where(taken, jax.grad(energy)(weights, pictures), 0.0)


calls = {
    "weight gradient": lambda f=jax.jit(jax.grad(energy)): f(weights, pictures),
    "weight gradient in cond": lambda f=in_cond(jax.grad(energy)): f(taken, weights, pictures),
    "weight gradient, then where": lambda f=jax.jit(chosen_afterwards): f(taken, weights, pictures),
    "forward": lambda f=jax.jit(convolution): f(weights, pictures),
    "forward in cond": lambda f=in_cond(convolution): f(taken, weights, pictures),
    "picture gradient": lambda f=jax.jit(jax.grad(energy, 1)): f(weights, pictures),
    "picture gradient in cond": lambda f=in_cond(jax.grad(energy, 1)): f(taken, weights, pictures),
}
seconds = {name: [] for name in calls}
for call in calls.values():
    jax.block_until_ready(call())
for _ in range(7):
    for name, call in calls.items():
        start = time.perf_counter()
        jax.block_until_ready(call())
        seconds[name].append(time.perf_counter() - start)
median = {name: float(np.median(values)) for name, values in seconds.items()}
for name, value in median.items():
    print(f"{name:28} {1e3 * value:8.1f} ms")
ratio = median["weight gradient in cond"] / median["weight gradient"]
print(f"ratio of the first two: {ratio:.0f}")

plain, inside = calls["weight gradient"](), calls["weight gradient in cond"]()
as_described = ratio > 5 and bool(jnp.allclose(plain, inside, rtol=1e-3, atol=1e-3))
print("as described" if as_described else "no longer as described")
sys.exit(0 if as_described else 1)
PYTHON
