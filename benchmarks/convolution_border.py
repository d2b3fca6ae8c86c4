"""Why convolutions pad with zeros: the cost of other borders, forward and backward.

    taskset -c 0,1 python -m benchmarks.convolution_border

Eight residual 3x3 layers of 32 channels on [8, 64, 64, 32], gradient of a loss with
respect to the kernels. Run it alone on an idle machine.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from benchmarks import harness

LAYERS, CHANNELS = 8, 32


def convolve(x, kernel, padding):
    layout = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(
        x, kernel, (1, 1), padding, dimension_numbers=layout
    )


def padded(mode):
    pad = ((0, 0), (1, 1), (1, 1), (0, 0))
    return lambda x, kernel: convolve(jnp.pad(x, pad, mode=mode), kernel, "VALID")


BORDERS = {
    "zeros, inside the convolution": lambda x, kernel: convolve(x, kernel, "SAME"),
    "zeros, padded before": padded("constant"),
    "mirrored, padded before": padded("reflect"),
}


def gradient(layer):
    def loss(kernels, x):
        for kernel in kernels:
            x = x + 0.3 * layer(jax.nn.relu(x), kernel)
        return jnp.square(x).mean()

    return jax.jit(jax.grad(loss))


def main(argv: Sequence[str] | None = None):
    options = harness.parse(harness.parser(__doc__), argv)
    batch, side, layers = (1, 16, 2) if options.small else (8, 64, LAYERS)
    x = jax.random.normal(jax.random.key(0), (batch, side, side, CHANNELS))
    shape = (layers, 3, 3, CHANNELS, CHANNELS)
    kernels = 0.05 * jax.random.normal(jax.random.key(1), shape)
    steps = {name: gradient(layer) for name, layer in BORDERS.items()}
    same = [name for name in steps if name.startswith("zeros")]
    harness.agree({name: steps[name](kernels, x) for name in same}, tolerance=1e-4)
    timings = harness.contest(
        {name: lambda step=step: step(kernels, x) for name, step in steps.items()},
        rounds=options.rounds,
    )
    first = next(iter(timings.values())).median
    # Forward, gradient of the inputs, gradient of the kernels: one product each.
    floor = 3 * 2 * kernels.size * batch * side**2 / harness.flops()
    records = [
        {"border": name, "times the first": timing.median / first}
        | {"times the floor": timing.median / floor}
        | timing.record()
        for name, timing in timings.items()
    ]
    harness.finish(
        "convolution_border",
        options,
        records,
        columns=["border", "ms", "quartiles", "times the first", "times the floor"],
        facts={"shape": list(x.shape), "floor by matrix products, ms": 1e3 * floor},
    )


if __name__ == "__main__":
    main()
