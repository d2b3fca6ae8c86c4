"""The dilated convolutions of DeepFill: as XLA has them, in one piece, and by phases.

    taskset -c 0,1 python -m benchmarks.dilated_convolution

3x3 on maps of 64x64, those of images of 256 px. "XLA's" has the gradients that jax
derives, also inside a loop, where XLA's CPU compiler misses its quick kernel; the
others have those of `ops.convolution`, batch first and features last. What is timed is
the value, or the gradients of a sum by map and kernel. Run it alone on an idle machine.
"""

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp

from benchmarks import harness
from jaxrestore.ops import convolution

LOOPED = 2  # calls in the loop


def of_xla(x, kernel, gap):
    layout, pad = ("NHWC", "HWIO", "NHWC"), ((gap, gap), (gap, gap))
    return jax.lax.conv_general_dilated(
        x, kernel, (1, 1), pad, rhs_dilation=(gap, gap), dimension_numbers=layout
    )


FORMS = {
    "XLA's": of_xla,
    "ours, in one piece": functools.partial(convolution.dilated, by_phases=False),
    "ours, by phases": functools.partial(convolution.dilated, by_phases=True),
}


def gradients(form, gap):
    return jax.grad(lambda x, kernel: jnp.tanh(form(x, kernel, gap)).sum(), (0, 1))


def looped(form, gap):
    """Steps along the gradients, in a loop that the compiler cannot remove."""

    def step(carry, _):
        moves = gradients(form, gap)(*carry)
        return jax.tree.map(lambda a, move: a - 1e-3 * move, carry, moves), None

    return lambda *inputs: jax.lax.scan(step, inputs, None, length=LOOPED)[0]


def rows(options, batch, channels, gap):
    """The records of one map and one gap."""
    side = 16 if options.small else 64
    x = jax.random.normal(jax.random.key(0), (batch, side, side, channels))
    kernel = jax.random.normal(jax.random.key(1), (3, 3, channels, channels))
    kernel = kernel / (3 * channels**0.5)
    product = 2 * kernel.size * batch * side**2 / harness.flops()
    kinds = {
        "value": (lambda form, gap: lambda x, k: form(x, k, gap), 1, product),
        "gradients": (gradients, 1, 3 * product),
    }
    if batch == 1:
        kinds["gradients in a loop"] = looped, LOOPED, 3 * product
    records = []
    for kind, (make, calls, floor) in kinds.items():
        contestants = {
            name: harness.Compiled(make(form, gap), x, kernel)
            for name, form in FORMS.items()
        }
        first = {name: jax.tree.leaves(c())[0] for name, c in contestants.items()}
        harness.agree(first, tolerance=1e-3)
        timings = harness.contest(contestants, rounds=options.rounds, warmup=1)
        for name, timing in timings.items():
            record = timing.record()
            record["ms"] /= calls
            record["quartiles"] = [quartile / calls for quartile in record["quartiles"]]
            records.append(
                {"form": name, "batch": batch, "channels": channels, "gap": gap}
                | {"what": kind, "times the floor": record["ms"] / floor / 1e3}
                | record
            )
    return records


def main(argv: Sequence[str] | None = None):
    parser = harness.parser(__doc__)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--channels", type=int, nargs="+", default=[128, 192])
    parser.add_argument("--gaps", type=int, nargs="+", default=[2, 4, 8, 16])
    options = harness.parse(parser, argv)
    if options.small:
        options.batches, options.channels, options.gaps = [1], [4], [2]
    records = [
        record
        for batch in options.batches
        for channels in options.channels
        for gap in options.gaps
        for record in rows(options, batch, channels, gap)
    ]
    columns = ["form", "batch", "channels", "gap", "what", "ms", "quartiles"]
    columns.append("times the floor")
    facts = {"map": 16 if options.small else 64, "calls in a loop": LOOPED}
    harness.finish(
        "dilated_convolution", options, records, columns=columns, facts=facts
    )


if __name__ == "__main__":
    main()
