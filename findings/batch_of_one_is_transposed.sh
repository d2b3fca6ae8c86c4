#!/usr/bin/env bash
# jax 0.10.2 on CPU: a leading axis of one makes the gradient of a dense layer write its
# cotangent out transposed.
#
# Done: two layers, tanh(x @ w) each, differentiated by both weights and compiled for
# the CPU, once for rows x [16384, 128] and once for the same rows as a batch of one,
# [1, 16384, 128]. Then looked in the compiled program for arrays of 128 x 16384, which
# the rows transposed would be, and timed both.
#
# Seen: of the plain rows there is none. With the axis of one in front the cotangent of
# each layer is written out as [128, 1, 16384] before it is multiplied, and the gradient
# takes about twice as long (times are only printed).
#
# It surprises because an axis of one changes no number and no order in memory: it costs
# nothing in the forward pass, and a reshape is free. Batches of one are what fits of a
# single picture and single-image inference are made of.
#
# Instead: flatten the rows before the product, or write the gradient of the weights as
# a product of flattened rows in a custom_vjp.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3.11}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  "jax==0.10.2" "jaxlib==0.10.2" "numpy==2.4.6" || exit 2

cat >"$folder/gradient.py" <<'PYTHON'
import re
import sys
import time

import jax
import jax.numpy as jnp

ROWS, WIDTH = 16384, 128


def loss(x, first, second):
    h = jnp.tanh(x @ first)
    return (jnp.tanh(h @ second) * x).sum()


def compiled(*shape):
    x = jnp.ones(shape)
    weights = jnp.full((WIDTH, WIDTH), 0.01)
    gradient = jax.jit(jax.grad(loss, (1, 2)))
    program = gradient.lower(x, weights, weights).compile()
    jax.block_until_ready(program(x, weights, weights))
    seconds = []
    for _ in range(9):
        started = time.perf_counter()
        jax.block_until_ready(program(x, weights, weights))
        seconds.append(time.perf_counter() - started)
    turned = re.findall(rf"f32\[{WIDTH},(?:1,)?{ROWS}\]", program.as_text())
    return len(turned), sorted(seconds)[4]


plain, plain_time = compiled(ROWS, WIDTH)
batch, batch_time = compiled(1, ROWS, WIDTH)
print(f"rows: {plain} transposed arrays named in the program, {plain_time * 1e3:.0f} ms")
print(f"a batch of one: {batch} of them, {batch_time * 1e3:.0f} ms")
sys.exit(0 if plain == 0 and batch > 0 else 1)
PYTHON
if JAX_PLATFORMS=cpu "$folder/venv/bin/python" "$folder/gradient.py"; then
  echo "as described"
else
  echo "no longer as described"
  exit 1
fi
