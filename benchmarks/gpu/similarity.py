"""SSIM and MS-SSIM as losses against the libraries for PyTorch: the cases d."""

from collections.abc import Callable, Iterator
from typing import Any

from benchmarks import harness, ms_ssim
from benchmarks.gpu import contests
from jaxrestore import losses

# The quickest ones; the others take minutes to compile and are behind by far.
RIVALS = "pytorch-msssim|frame-analytics, eager|fused-ssim, eager"


def rows(*, toy: bool, measure: str, batch: int, side: int) -> Iterator[contests.Row]:
    """Yields the mean loss of a batch, and it with its gradient in the first images."""
    pair = _images(toy, batch, side)
    _prepare()
    entrants = {"ours": ms_ssim.ours(getattr(losses, measure), pair)}
    entrants |= ms_ssim.rivals(measure, pair, RIVALS)
    forward, size = ms_ssim.windows(measure, pair[0].size), pair[0].nbytes
    for what, work, answer in (
        ("value", contests.Work(forward, 2 * size), lambda name, loss: loss),
        ("gradient", contests.Work(2 * forward, 3 * size), _gradient),
    ):
        yield from contests.rows(
            {f"{name}, {what}": getattr(each, what) for name, each in entrants.items()},
            work=work,
            toy=toy,
            amount=len(pair[0]),
            unit="images",
            answer=answer,
            tolerance=1e-2,
            profiled=what == "gradient",
        )


def programs(
    *, toy: bool, only: str, measure: str, batch: int, side: int
) -> dict[str, Callable[[], Any]]:
    """Returns the calls of a case that PyTorch compiles, of names with `only`."""
    calls = {}
    _prepare()
    pair = _images(toy, batch, side)
    for name, each in ms_ssim.rivals(
        measure, pair, f"msssim, compiled.*{only}"
    ).items():
        calls[f"{name}, value"], calls[f"{name}, gradient"] = each.value, each.gradient
    return calls


def _prepare():
    """PyTorch's settings are part of what its compiler knows a program by."""
    if harness.peer("torch"):
        from benchmarks import torch_steps

        torch_steps.prepare()


def _images(toy, batch, side):
    return ms_ssim.images(*((1, 176) if toy else (batch, side)))


def _gradient(name, result):
    gradient = harness.numbers(result[1])
    return gradient if name.startswith("ours") else gradient.transpose(0, 2, 3, 1)
