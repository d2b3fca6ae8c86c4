"""Training steps beside the same in PyTorch: the cases b."""

import functools
import re
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import jax
import numpy as np

from benchmarks import harness, step_settings, train_step
from benchmarks.gpu import contests, device
from jaxrestore.training import recipe, setup


def config_of(
    *, toy: bool, system: str, crop: int, batch: int, precision: str
) -> dict[str, Any]:
    """Returns the config of a case; of a toy, at 16 px with a few filters."""
    options = SimpleNamespace(
        system=system,
        precision=precision,
        small=toy,
        batch=2 if toy and batch > 1 else batch,
        crop=16 if toy else crop,
        filters=4 if toy else None,
    )
    config = step_settings.config_of(options, gpu=not toy)
    if toy:
        config["discriminator"] |= {"filters": 4, "stages": 1}
        small = {"gan_full": {"width": 4, "blocks": 1}, "pix2pix": {"downs": 2}}
        config["generator"] |= small[system]
    return config


def rows(
    *, toy: bool, system: str, crop: int, batch: int, precision: str, together: int
) -> Iterator[contests.Row]:
    """Yields contestants on ready batches and on uint8 ones; last, what those cost."""
    asked = {"system": system, "crop": crop, "batch": batch, "precision": precision}
    config = config_of(toy=toy, **asked)
    images = step_settings.make_batch(config, config["batch_size"])
    several = 2 if toy and together > 1 else together
    calls = train_step.contestants(config, images, several, bool(harness.peer("torch")))
    # Of PyTorch's rows on uint8, which wait for one core of the host, one is enough.
    calls = {name: call for name, call in calls.items() if not _needless(name)}
    found = {}
    for row in contests.rows(
        calls,
        work=_work(config, images),
        toy=toy,
        amount=config["batch_size"],
        unit="images",
        calls=lambda name: several if name.endswith("a call") else 1,
        base=_base,
        answer=_losses,
        apart=contests.ratio,
        profiled=True,
    ):
        found[row["contestant"]] = row.get("ms")
        yield row
    ready, uint8 = (found.get(f"ours, {how}") for how in ("ready", "uint8"))
    if ready and uint8:
        share = 1 - ready / uint8
        yield {"contestant": "ours, making the batch", "share of the step": share}


def programs(
    *, toy: bool, only: str, together: int, **asked: Any
) -> dict[str, Callable[[], Any]]:
    """Returns the calls of a case that PyTorch compiles, of names with `only`."""
    from benchmarks import torch_steps

    config = config_of(toy=toy, **asked)
    torch_steps.prepare()
    shape = (config["batch_size"], config["crop"], config["crop"], 3)
    calls = {}
    for name, variant in torch_steps.variants(config["precision"]).items():
        if variant.compiler and re.search(only, name):
            networks = torch_steps.networks(config)
            step = torch_steps.TrainStep(config, *networks, variant)
            # Two of them: one image in both places would be another program.
            images = [step.place(np.zeros(shape, np.float32)) for _ in range(2)]
            calls[name] = functools.partial(step, *images)
    return calls


def _needless(name: str) -> bool:
    chosen = "PyTorch compile, channels last, uint8"
    return name.startswith("PyTorch") and name.endswith("uint8") and name != chosen


def _base(name: str) -> str | None:
    """The row of ours that starts from the same images."""
    if name == "shuffle on the host":
        return ""
    return "ours, uint8" if "uint8" in name else None


def _losses(name: str, terms: Any) -> Any:
    if not name.endswith("ready"):
        return None  # other draws
    pair = [terms["generator/loss"], terms["discriminator/loss"]]
    return np.array([float(loss) for loss in pair])


def _work(config, images) -> contests.Work:
    shapes = jax.eval_shape(
        setup.initial(recipe.build(config), config), jax.random.key(0)
    )
    held = sum(leaf.size * 4 for leaf in jax.tree.leaves(shapes))
    return contests.Work(
        step_settings.operations(config, images),
        2 * held + images.target.nbytes + images.degraded.nbytes,
        device.product_precision(config["precision"]),
    )
