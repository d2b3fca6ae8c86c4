"""The convolution of 3x3 and its gradients: as jax derives them for XLA, and ours.

    taskset -c 0,1 python -m benchmarks.convolution_gradients

Maps of four networks: of the prior, of MWCNN, of residual blocks, of thin ones. On CPUs
ours takes Winograd's form for some of them: see `ops.convolution`. What is timed is the
value, or the gradients of a sum by map and kernel.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from benchmarks import harness
from jaxrestore.ops import convolution

# Batch, side and channels.
MAPS = [(1, 64, 128), (8, 40, 160), (8, 32, 64), (4, 64, 32)]


def of_xla(x, kernel):
    pads = ((1, 1), (1, 1))
    return jax.lax.conv_general_dilated(
        x, kernel, (1, 1), pads, dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


FORMS = {"XLA's": of_xla, "ours": lambda x, k: convolution.strided(x, k, 1, 1)}
KINDS = {
    "value": lambda form: form,
    "gradients": lambda form: jax.grad(
        lambda x, kernel: jnp.tanh(form(x, kernel)).sum(), (0, 1)
    ),
}


def rows(rounds, batch, side, channels):
    """The records of one map."""
    x = jax.random.normal(jax.random.key(0), (batch, side, side, channels))
    kernel = jax.random.normal(jax.random.key(1), (3, 3, channels, channels))
    kernel = kernel / (3 * channels**0.5)
    records = []
    for kind, of in KINDS.items():
        contestants = {
            name: harness.Compiled(of(form), x, kernel) for name, form in FORMS.items()
        }
        first = {name: jax.tree.leaves(c())[0] for name, c in contestants.items()}
        harness.agree(first, tolerance=1e-3)
        timings = harness.contest(contestants, rounds=rounds, warmup=1)
        sizes = {"batch": batch, "side": side, "channels": channels, "what": kind}
        records += [
            {"form": name, **sizes, **timing.record()}
            for name, timing in timings.items()
        ]
    return records


def main(argv: Sequence[str] | None = None):
    options = harness.parse(harness.parser(__doc__), argv)
    maps = [(1, 4, 64)] if options.small else MAPS
    harness.finish(
        "convolution_gradients",
        options,
        [record for sizes in maps for record in rows(options.rounds, *sizes)],
        columns=["form", "batch", "side", "channels", "what", "ms", "quartiles"],
    )


if __name__ == "__main__":
    main()
