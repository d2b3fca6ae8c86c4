"""Networks that restore one image beside the same weights in PyTorch: the cases e."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np

from benchmarks import inference, operations
from benchmarks.gpu import contests, device
from jaxrestore.inference import shipped


def task(*, toy: bool, network: str, side: int) -> tuple[dict[str, Any], Any, Any]:
    """Returns a generator's config, random variables and image; of a toy, small ones.

    `unet` is the network that ships, the others are as published.
    """
    generator: dict[str, Any] = {"name": network}
    if toy:
        generator |= inference.SMALL[network]
    elif network == "unet":
        generator = dict(shipped.card("denoise")["generator"])
    model, variables = inference.random_network(generator)
    image = inference.random_image(model, generator, 32 if toy else side)
    return generator, variables, image


def rows(
    *, toy: bool, network: str, side: int, precision: str
) -> Iterator[contests.Row]:
    """Yields megapixels of input a second."""
    generator, variables, image = task(toy=toy, network=network, side=side)
    calls = inference.contestants(generator, variables, image, precision)
    yield from contests.rows(
        calls,
        work=work(generator, variables, image, precision),
        toy=toy,
        amount=image[0, ..., 0].size / 1e6,
        unit="MP",
        answer=lambda name, restored: restored,
        # Twenty layers of bfloat16, or of TF32, each rounded in another order.
        tolerance=0.1,
        profiled=True,
    )


def programs(
    *, toy: bool, only: str, network: str, side: int, precision: str
) -> dict[str, Callable[[], Any]]:
    """Returns the calls of a case that PyTorch compiles, of names with `only`."""
    calls = inference.theirs(*task(toy=toy, network=network, side=side), precision)
    wanted = re.compile(f"compile.*{only}")
    return {name: call for name, call in calls.items() if wanted.search(name)}


def work(generator: Any, variables: Any, image: Any, precision: str) -> contests.Work:
    """Returns what restoring `image` takes: weights and image read, result written."""
    restore = inference.ours(generator, variables, image, precision)
    result = jax.eval_shape(restore.function, *restore.inputs)
    leaves = [*jax.tree.leaves(variables), image, result]
    size = 2 if precision == "bfloat16" else 4
    return contests.Work(
        operations.count(restore.function, *restore.inputs),
        size * sum(int(np.prod(leaf.shape)) for leaf in leaves),
        device.product_precision(precision),
    )
