"""Why convolutions pad with zeros: the cost of other borders, forward and backward.

    python benchmarks/convolution_border.py

Eight residual 3x3 layers of 32 channels on [8, 64, 64, 32]; the borders alternate in
one run, medians of seven. Run it on an idle machine.
"""

import statistics
import time

import jax
import jax.numpy as jnp

LAYERS, REPEATS = 8, 7


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


def main():
    x = jax.random.normal(jax.random.key(0), (8, 64, 64, 32))
    kernels = 0.05 * jax.random.normal(jax.random.key(1), (LAYERS, 3, 3, 32, 32))
    steps = {name: gradient(layer) for name, layer in BORDERS.items()}
    seconds = {name: [] for name in steps}
    for step in steps.values():
        step(kernels, x).block_until_ready()
    for _ in range(REPEATS):
        for name, step in steps.items():
            started = time.perf_counter()
            step(kernels, x).block_until_ready()
            seconds[name].append(time.perf_counter() - started)
    device = jax.devices()[0].device_kind
    print(f"{device}, jax {jax.__version__}; medians of {REPEATS}, alternating")
    first = statistics.median(next(iter(seconds.values())))
    for name, times in seconds.items():
        median = statistics.median(times)
        print(f"{name:32s} {1e3 * median:7.1f} ms   x {median / first:.2f}")


if __name__ == "__main__":
    main()
