"""Compiled functions that meet images of many sizes and keep a bounded memory.

jax compiles a program for each shape and keeps thousands. For pictures of unlike sizes
that is memory without bound: 10 MB a size for a U-Net of the default widths and the
protocol `rgb8`, on CPU.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax

MOST = 64


def compiled(function: Callable[..., Any], *, most: int = MOST) -> Callable[..., Any]:
    """Returns `jax.jit(function)` that keeps the programs of `most` shapes at a time.

    At the next one it forgets them all, and compiles anew what comes again. Arguments
    are given by position.
    """
    jitted: Any = jax.jit(function)
    known: set[Any] = set()

    @functools.wraps(function)
    def call(*arguments):
        shapes = tuple(
            (getattr(leaf, "shape", ()), getattr(leaf, "dtype", type(leaf)))
            for leaf in jax.tree.leaves(arguments)
        )
        if shapes not in known:
            if len(known) == most:
                jitted.clear_cache()
                known.clear()
            known.add(shapes)
        return jitted(*arguments)

    return call
