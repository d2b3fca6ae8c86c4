"""The two numbers that every floor is made of: bytes and operations a second."""

import functools
from collections.abc import Iterator
from typing import Any

from benchmarks import machine

# A product in float32 is one in TF32 on a GPU, unless it is asked for "highest".
PRECISIONS = {
    "bfloat16": ("bfloat16", None),
    "tf32": ("float32", None),
    "float32": ("float32", "highest"),
}


@functools.cache
def bandwidth(*, toy: bool) -> float:
    """Returns bytes a second, read and written, of passes over more than any cache."""
    return machine.bandwidth(2**22 if toy else 2**31)


@functools.cache
def rate(precision: str, *, toy: bool) -> float:
    """Returns operations a second of a large product of matrices in `precision`."""
    dtype, how = PRECISIONS[precision]
    return machine.flops(256 if toy else 8192, dtype, how)


def product_precision(precision: str) -> str:
    """Returns in what a network of `precision` multiplies: float32 in TF32."""
    return "tf32" if precision == "float32" else precision


def rows(*, toy: bool) -> Iterator[dict[str, Any]]:
    """Yields the bandwidth and a rate for each precision."""
    yield {"contestant": "copy in place", "GB/s": bandwidth(toy=toy) / 1e9}
    for precision in PRECISIONS:
        tera = rate(precision, toy=toy) / 1e12
        yield {"contestant": f"product in {precision}", "TFLOP/s": tera}
