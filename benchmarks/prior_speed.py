"""An iteration of the prior against the same network and update in PyTorch.

    taskset -c 0,1 python -m benchmarks.prior_speed [--images 1 8] [--side 128]

Network, code and update of `denoise`, with noise on the code, Adam and the average.
All start from the same weights, whose images are compared. Where a map is enlarged its
edge is repeated; PyTorch's "zeros" have zeros there, another network and its quickest
form. Several images are fitted one after another on both sides, since each has weights
of its own: in PyTorch as so many calls of one network. `ms` is an iteration of all the
images.
"""

import functools
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import harness, machine
from jaxrestore.prior import fits, tasks

LENGTH = 10  # iterations of a timed call, of one image
MANY = 4  # and of several
SMALL = tasks.Task(100, 1 / 30, 4, (8, 8), (2, 0))


class Ours:
    """Fits of some images, moved on by `length` iterations a call."""

    def __init__(self, task: tasks.Task, degraded: Any, length: int):
        """Compiles at the first call."""
        count, *side, channels = degraded.shape
        self.program = fits.program(
            task, tasks.identity, (side[0], side[1]), channels, length
        )
        keys = jax.random.split(jax.random.key(0), count)
        multiple = fits.model(task, channels).multiple
        place = side[0], side[1]
        codes = [fits.code(key, place, task.code, multiple) for key in keys]
        ones = jnp.ones((*degraded.shape[:3], 1))
        self.pictures = fits.Picture(degraded, ones, 1 - ones, jnp.stack(codes), keys)
        self.fits = self.program.begin(self.pictures)
        self.start, self.length, self.active = 0, length, jnp.ones(count, bool)

    def __call__(self) -> Any:
        """Returns the mean loss of each image."""
        self.fits, found = self.program.advance(
            self.fits, self.pictures, self.start, self.active
        )
        self.start += self.length
        return found.loss


def theirs(
    ours: Ours, task: tasks.Task, length: int
) -> Mapping[str, Callable[[], Any]]:
    """Returns PyTorch's fits by name; none where it is not installed."""
    torch = machine.peer("torch")
    if torch is None:
        return {}
    from benchmarks import torch_prior

    params = jax.tree.map(lambda leaf: np.asarray(leaf[0]), ours.fits.network.params)
    nchw = lambda x: torch.tensor(np.asarray(x[:1]).transpose(0, 3, 1, 2).copy())
    code, degraded = nchw(ours.pictures.code), nchw(ours.pictures.degraded)
    count, channels = len(ours.pictures.degraded), degraded.shape[1]
    sizes = {"code": task.code, "widths": task.widths, "skips": task.skips}

    def network(zeros):
        made = torch_prior.Skip(**sizes, channels=channels, zeros=zeros)
        return torch_prior.load(made, params)

    _compare(network(zeros=False), code, ours, params, task)
    found = {}
    for compiled, last, zeros in itertools.product((False, True), repeat=3):
        name = "PyTorch, " + ("compiled" if compiled else "eager")
        name += ", channels last" * last + ", zeros" * zeros
        advance = torch_prior.fit(
            network(zeros),
            code,
            degraded,
            jitter=task.jitter,
            rate=task.rate,
            compiled=compiled,
            channels_last=last,
        )
        found[name] = functools.partial(advance, count * length)
    return found


def _compare(module, code, ours, params, task):
    """Raises `ValueError` unless both networks draw the same image."""
    model = fits.model(task, ours.pictures.degraded.shape[-1])
    drawn, _ = jax.jit(lambda p, x: model.apply({"params": p}, x, train=True))(
        params, ours.pictures.code[:1]
    )
    image = module(code).detach().numpy().transpose(0, 2, 3, 1)
    harness.agree({"ours": drawn, "PyTorch": image}, tolerance=1e-3)


def main(argv: Sequence[str] | None = None):
    parser = harness.parser(__doc__)
    parser.add_argument("--images", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--side", type=int, default=128)
    options = harness.parse(parser, argv)
    task = SMALL if options.small else tasks.named("denoise")
    side = 16 if options.small else options.side
    records = []
    for count in [1, 2] if options.small else options.images:
        length = 2 if options.small else (LENGTH if count == 1 else MANY)
        rng = np.random.default_rng(0)
        degraded = jnp.asarray(rng.random((count, side, side, 3), np.float32))
        ours = Ours(task, degraded, length)
        contestants = {"ours": ours, **theirs(ours, task, length)}
        timings = harness.contest(contestants, rounds=options.rounds, warmup=1)
        for name, timing in timings.items():
            row = {"images": count, "contestant": name, "iterations": length}
            row["times ours"] = timing.median / timings["ours"].median
            one = harness.Timing([s / length for s in timing.seconds], timing.others)
            records.append({**row, **one.record()})
    harness.finish(
        "prior_speed",
        options,
        records,
        columns=["contestant", "images", "ms", "quartiles", "times ours"],
        facts={"side": side},
        packages=["torch"],
    )


if __name__ == "__main__":
    main()
