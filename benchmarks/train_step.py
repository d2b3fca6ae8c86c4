"""One whole training step of two systems beside the same step in PyTorch.

    python -m benchmarks.train_step pix2pix --batch 2 --crop 256
    python -m benchmarks.train_step gan_full --together 8 --batch 1
    python -m benchmarks.train_step gan_full --first-step    # cold and warm caches too

`pix2pix` is the U-Net with a PatchGAN, batch normalisation, vanilla GAN + 100 L1 on
[-1, 1]; `gan_full` is configs/gan_full.py, on a CPU with its argument demo. On both
sides: float32 weights, Adam at constant rates, one generator pass, an average of the
generator, no dropout, no flips. Nothing is timed unless two steps from the same weights
on the same batch agree in float32: images to 1e-4 (after a move to 5e-3), losses and
norms of gradients to 1e-3 of theirs. Ours does more: it takes the norm of every
gradient, skips non-finite updates and, on uint8, measures the PSNR.

Rows "ready" take a target and its degraded image that lie on the device. Rows "uint8"
take targets from the host: ours degrades them inside the step; for PyTorch a loop that
Numba compiled does it on one core of the host, not hidden behind the step ("shuffle on
the host" is that loop alone; worker processes would hide it where cores are free).
Both sides run in one process, which keeps freed memory as `jaxrestore.main` does, or
with --plain-malloc does not. "float32" on a GPU means products in TF32, on both sides.
"""

import functools
import os
import re
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import first_step, harness, host_shuffle, step_settings
from jaxrestore.training import allocator, recipe, steps

COLUMNS = (
    *("contestant", "steps a call", "ms", "quartiles", "images/s", "times ours"),
    *("first call s", "to first step, cold s", "warm s"),
)
PACKAGES = ("torch", "numba")
# Adam's first move has the sign of the gradient, and rounding decides that of the
# smallest: after it, each side is 2e-3 from the same step in float64 (pix2pix, 256 px).
IMAGES = {"first": 1e-4, "second": 5e-3}
Call = Callable[[], Any]


def main(argv: Sequence[str] | None = None):
    # "first call s" is with cold caches, on both sides.
    os.environ["TORCHINDUCTOR_FORCE_DISABLE_CACHES"] = "1"
    parser = harness.parser(__doc__)
    parser.add_argument("system", choices=("pix2pix", "gan_full"))
    parser.add_argument("--batch", type=int, help="images")
    parser.add_argument("--crop", type=int, help="their side in pixels")
    parser.add_argument("--filters", type=int, help="of pix2pix (default 32, GPU 64)")
    parser.add_argument("--precision", choices=("float32", "bfloat16"))
    parser.add_argument("--together", type=int, default=1, help="steps a call")
    parser.add_argument("--only", default="", help="rows whose name has this pattern")
    parser.add_argument("--first-step", action="store_true", help="minutes more")
    parser.add_argument("--plain-malloc", action="store_true", help="as glibc has it")
    # Before there are threads, those of PyTorch too.
    plain = parser.parse_known_args(argv)[0].plain_malloc
    kept = not plain and allocator.keep_freed_memory()
    options = harness.parse(parser, argv)
    gpu = jax.default_backend() == "gpu"
    config = step_settings.config_of(options, gpu)
    torch = harness.peer("torch")
    distances = check(config) if torch else {}
    batch = step_settings.make_batch(config, config["batch_size"])
    calls = contestants(config, batch, options.together, bool(torch))
    calls = {name: c for name, c in calls.items() if re.search(options.only, name)}
    first = first_calls(calls, 1e-3 if config["precision"] == "float32" else 0.05)
    timings = harness.contest(calls, rounds=options.rounds)
    records = rows(timings, first, config["batch_size"], options.together)
    if options.first_step:
        names = ["ours", "PyTorch eager", "PyTorch compile, channels last"]
        records += first_step.rows(config, names if torch else names[:1])
    work = step_settings.operations(config, batch)
    rate = harness.flops(8192 if gpu else 1024, jnp.dtype(config["precision"]))
    side, size = config["crop"], config["batch_size"]
    facts = {
        **distances,
        "freed memory is kept": kept,
        "operations of a step": work,
        "operations per second of a matrix product": rate,
        "floor by operations, ms": 1e3 * work / rate,
    }
    name = f"train_step_{options.system}_{side}px_{size}_{config['precision']}"
    harness.finish(
        name, options, records, columns=COLUMNS, facts=facts, packages=PACKAGES
    )


def check(config: dict[str, Any]) -> dict[str, float]:
    """Returns how far two steps of PyTorch are from ours in float32, at most.

    Raises `ValueError` if that is too far to call it the same step.
    """
    import torch

    from benchmarks import torch_steps

    config = config | {"precision": "float32", "batch_size": 2}
    built = recipe.build(config)
    run, batch = step_settings.start(built, config), step_settings.make_batch(config, 2)
    variant = torch_steps.Variant(device=torch_steps.device())
    theirs = torch_steps.TrainStep(config, *torch_steps.networks(config, run), variant)
    arrays = [theirs.place(array) for array in (batch.target, batch.degraded)]
    torch_steps.allow_tf32(False)
    with jax.default_matmul_precision("highest"):
        step = jax.jit(step_settings.ready_step(built))
        distances = {}
        for turn in ("first", "second"):
            run, terms = step(run, batch.target, batch.degraded)
            other = theirs(*arrays)
            distances |= _compare(turn, terms, other, theirs.gradient_norms(), config)
    torch_steps.allow_tf32(True)
    del theirs
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return distances


def _compare(turn, ours, theirs, norms, config):
    mine, other = [], [*norms]
    for player in ("generator", "discriminator"):
        clip = config["optimizer"][player]["clip"] or np.inf
        mine.append(min(float(ours[f"{player}/grad_norm"]), clip))
    for loss in ("generator/loss", "discriminator/loss"):
        mine.append(float(ours[loss]))
        other.append(theirs[loss].item())
    restored = theirs["restored"].permute(0, 2, 3, 1)
    images = {"ours": ours["restored"], "PyTorch": restored}
    shares = {"ours": np.ones(4), "PyTorch": np.divide(other, mine)}
    return {
        f"{turn} step, {what} differ by": harness.agree(pair, tolerance=most)["PyTorch"]
        for what, pair, most in (
            ("images", images, IMAGES[turn]),
            ("losses and norms", shares, 1e-3),
        )
    }


def contestants(
    config: dict[str, Any], batch: step_settings.Batch, together: int, torch: bool
) -> dict[str, Call]:
    """Returns what is timed: each call is a step, or `together` steps."""
    built = recipe.build(config)
    run = step_settings.start(built, config)
    ready = jax.device_put((batch.target, batch.degraded))
    uint8 = batch.photographs[None]
    step, train_steps = step_settings.ready_step(built), steps.train_steps(built)
    calls = {
        "ours, ready": harness.Compiled(step, run, *ready, carry=True),
        "ours, uint8": harness.Compiled(train_steps, run, uint8, carry=True),
    }
    if together > 1:
        several = np.repeat(uint8, together, 0)
        call = harness.Compiled(train_steps, run, several, carry=True)
        calls[f"ours, uint8, {together} a call"] = call
    if torch:
        calls |= _theirs(config, run, batch)
    return calls


def _theirs(config, run, batch):
    from benchmarks import torch_steps

    torch_steps.prepare()
    shuffle, calls = None, {}
    if harness.peer("numba"):
        options = {k: config["degradation"][k] for k in ("rate", "radius")}
        shuffle = host_shuffle.compiled(**options)
        calls["shuffle on the host"] = lambda: shuffle(batch.photographs)
    for name, variant in torch_steps.variants(config["precision"]).items():
        networks = torch_steps.networks(config, run)
        step = torch_steps.TrainStep(config, *networks, variant)
        ready = [step.place(array) for array in (batch.target, batch.degraded)]
        calls[f"{name}, ready"] = functools.partial(step, *ready)
        if shuffle:
            calls[f"{name}, uint8"] = functools.partial(
                _from_host, step, shuffle, batch.photographs
            )
    return calls


def _from_host(step, shuffle, photographs):
    return step(step.place(photographs), step.place(shuffle(photographs)))


def first_calls(calls: dict[str, Call], tolerance: float) -> dict[str, float]:
    """Returns the seconds of the first call of each contestant: compilation and step.

    Raises `ValueError` if the losses of those on ready batches differ by more than the
    share `tolerance`.
    """
    seconds, losses = {}, {}
    for name, call in calls.items():
        started = time.perf_counter()
        terms = harness.wait(call())
        seconds[name] = time.perf_counter() - started
        if name.endswith("ready"):
            pair = [terms["generator/loss"], terms["discriminator/loss"]]
            losses[name] = np.array([float(loss) for loss in pair])
    if losses:
        first = next(iter(losses.values()))
        shares = {name: pair / first for name, pair in losses.items()}
        harness.agree(shares, tolerance=tolerance)
    return seconds


def rows(
    timings: dict[str, harness.Timing],
    first: dict[str, float],
    images: int,
    together: int,
) -> list[dict[str, Any]]:
    """Returns a record a contestant; times are those of one step."""
    records, shared = [], {n for n in timings if re.match("PyTorch.*uint8", n)}
    for name, timing in timings.items():
        count = together if name.endswith("a call") else 1
        timing = harness.Timing([t / count for t in timing.seconds], timing.others)
        rival = timings.get("ours, uint8" if "uint8" in name else "ours, ready")
        records.append(
            {
                "contestant": name,
                "steps a call": count,
                **timing.record(),
                "images/s": images / timing.median,
                "times ours": rival and timing.median / rival.median,
                # PyTorch's two rows of a variant share what the first one compiled.
                "first call s": None if name in shared else first[name],
            }
        )
    return records


if __name__ == "__main__":
    main()
