"""SSIM and MS-SSIM as losses, against the libraries for PyTorch and JAX.

    taskset -c 0,1 python -m benchmarks.ms_ssim

16 RGB images of 256x256, float32: the mean loss of the batch, and that with its
gradient in the first images. Each library gets its own layout (NHWC or NCHW); no
conversion is timed. All have a window of 11, deviation 1.5 and no padding, and must
agree: values to 1e-4, gradients to 1e-3 of the largest. A row marked "other formula"
misses that; its time stands for orientation. On a GPU TF32 is off for all. Run it alone
on an idle machine: PyTorch's threads wait for each other.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import harness
from jaxrestore import losses

# torchmetrics averages over channels before the scales are multiplied, and its SSIM
# of the coarsest scale takes in a mirrored border.
OTHER_FORMULA = ("torchmetrics",)
PACKAGES = (
    "torch",
    "pytorch-msssim",
    "piq",
    "torchmetrics",
    "fused-ssim",
    "frame-analytics",
    "dm-pix",
)
COLUMNS = (
    *("measure", "contestant", "ms", "quartiles", "gradient ms", "gradient quartiles"),
    *("times ours", "times the floor", "note"),
)


class Contestant(NamedTuple):
    """The mean loss of a batch alone, and with its gradient in the first images."""

    value: Callable[[], Any]
    gradient: Callable[[], tuple[Any, Any]]
    channels_first: bool


def main(argv: Sequence[str] | None = None):
    parser = harness.parser(__doc__)
    parser.add_argument("--batch", type=int, help="images (default 16)")
    parser.add_argument("--side", type=int, help="pixels, above 160 (default 256)")
    options = harness.parse(parser, argv)
    batch = options.batch or (2 if options.small else 16)
    side = options.side or (176 if options.small else 256)
    pair = images(batch, side)
    size = pair[0].size
    rates = {
        "bytes per second, read and written": harness.bandwidth(2 * 4 * size),
        "operations per second": harness.flops(512 if options.small else 2048),
    }
    records = []
    for measure in ("ms_ssim", "ssim"):
        contestants, failed = line_up(measure, pair)
        records += compare(
            contestants, options.rounds, floor(measure, size, *rates.values())
        )
        records += failed
        for record in records:
            record.setdefault("measure", measure)
    harness.finish(
        "ms_ssim",
        options,
        records,
        columns=COLUMNS,
        facts={"images": f"{batch} of {side}x{side}x3, float32"} | rates,
        packages=PACKAGES,
    )


def images(batch: int, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns blocks with noise [b, h, w, 3] in [0, 1], and less noisy ones."""
    random = np.random.default_rng(0)
    coarse = random.random((batch, side // 8 + 1, side // 8 + 1, 3), np.float32)
    blocks = np.repeat(np.repeat(coarse, 8, 1), 8, 2)[:, :side, :side]
    target = 0.7 * blocks + 0.3 * random.random(blocks.shape, np.float32)
    noise = 0.1 * random.standard_normal(target.shape, np.float32)
    return np.clip(target + noise, 0, 1), target


def floor(measure: str, size: int, bandwidth: float, rate: float) -> float:
    """Returns the ms that the loss with its gradient needs on this device at least.

    The bytes are two batches read and one written; the operations are `windows`,
    forward and backward.
    """
    operations = 2 * windows(measure, size)
    return 1e3 * max(3 * 4 * size / bandwidth, operations / rate)


def windows(measure: str, size: int) -> float:
    """Returns the operations of the windowed means of a loss, forward.

    Four maps, 11 products and sums in each direction. The scales together have 4/3 of
    the positions of the first.
    """
    return 4 * 2 * 11 * 2 * size * (4 / 3 if measure == "ms_ssim" else 1)


def compare(contestants, rounds, least) -> list[dict[str, Any]]:
    notes = check(contestants)
    values, gradients = (
        harness.contest(
            {name: getattr(each, what) for name, each in contestants.items()},
            rounds=rounds,
        )
        for what in ("value", "gradient")
    )
    ours = next(iter(gradients.values())).median
    return [
        {"contestant": name, "floor_ms": least}
        | notes[name]
        | values[name].record()
        | {f"gradient {k}": v for k, v in gradients[name].record().items()}
        | {"times ours": gradients[name].median / ours}
        | {"times the floor": 1e3 * gradients[name].median / least}
        for name in contestants
    ]


def check(contestants: dict[str, Contestant]) -> dict[str, dict[str, str]]:
    """Returns a note for each contestant; the first one's numbers are the right ones.

    Raises `ValueError` if one disagrees that is not known for another formula.
    """
    results, notes = {}, {}
    for name, each in contestants.items():
        loss, gradient = map(harness.numbers, each.gradient())
        alone = harness.numbers(each.value())
        if each.channels_first:
            gradient = gradient.transpose(0, 2, 3, 1)
        results[name] = loss, alone, gradient
    first, (loss, _, gradient) = next(iter(results.items()))
    scale = np.abs(gradient).max()
    for name, (other, alone, slope) in results.items():
        values = {first: loss, f"{name} with gradient": other, f"{name} alone": alone}
        try:
            harness.agree(values, tolerance=1e-4)
            harness.agree(
                {first: gradient / scale, name: slope / scale}, tolerance=1e-3
            )
            notes[name] = {}
        except ValueError as difference:
            if not name.startswith(OTHER_FORMULA):
                raise
            notes[name] = {"note": "other formula", "why": str(difference)}
    return notes


def line_up(measure, pair) -> tuple[dict[str, Contestant], list[dict[str, str]]]:
    """Returns the contestants, ours first, and a record of each that cannot start."""
    contestants, failed = {"jaxrestore": ours(getattr(losses, measure), pair)}, []
    dm_pix = harness.peer("dm_pix")
    if dm_pix and measure == "ssim":
        contestants["dm-pix"] = ours(lambda a, b: 1 - dm_pix.ssim(a, b), pair)
    for name, each in rivals(measure, pair).items():
        try:
            each.value()
            each.gradient()
        except Exception as error:  # a rival's failure is a result, not ours
            note = {"note": f"failed: {type(error).__name__}", "why": str(error)}
            failed.append({"contestant": name} | note)
        else:
            contestants[name] = each
    return contestants, failed


def rivals(measure, pair, only: str = "") -> dict[str, Contestant]:
    """Returns PyTorch's contestants whose names match `only`, none of them run yet."""
    if not harness.peer("torch"):
        return {}
    return {
        f"{name}, {mode}": torch_contestant(loss, pair, compiled=mode == "compiled")
        for name, loss in torch_losses(measure).items()
        for mode in ("eager", "compiled")
        if re.search(only, f"{name}, {mode}")
    }


def ours(loss, pair) -> Contestant:
    a, b = map(jnp.asarray, pair)

    def mean(a, b):
        return loss(a, b).mean()

    value = harness.Compiled(mean, a, b)
    gradient = harness.Compiled(jax.value_and_grad(mean), a, b)
    return Contestant(value, gradient, False)


def torch_contestant(loss, pair, *, compiled) -> Contestant:
    import torch

    where = (
        "cuda"
        if torch.cuda.is_available() and jax.default_backend() == "gpu"
        else "cpu"
    )
    torch.backends.cudnn.allow_tf32 = False
    a, b = (
        torch.from_numpy(each.transpose(0, 3, 1, 2).copy()).to(where) for each in pair
    )
    loss = torch.compile(loss, dynamic=False) if compiled else loss
    leaf = a.clone().requires_grad_()

    def value():
        with torch.no_grad():
            return loss(a, b)

    def gradient():
        result = loss(leaf, b)
        return result, torch.autograd.grad(result, leaf)[0]

    return Contestant(value, gradient, True)


def torch_losses(measure: str) -> dict[str, Callable]:
    """Returns the losses of the PyTorch libraries that are installed, by name."""
    found = {}
    if pytorch_msssim := harness.peer("pytorch_msssim"):
        score = getattr(pytorch_msssim, measure)
        found["pytorch-msssim"] = lambda a, b: 1 - score(a, b, data_range=1.0)
    if piq := harness.peer("piq"):
        found["piq"] = {
            "ms_ssim": lambda a, b: 1 - piq.multi_scale_ssim(a, b),
            "ssim": lambda a, b: 1 - piq.ssim(a, b, downsample=False),
        }[measure]
    if image := harness.peer("torchmetrics.functional.image"):
        found["torchmetrics"] = {
            "ms_ssim": lambda a, b: (
                1
                - image.multiscale_structural_similarity_index_measure(
                    a, b, data_range=1.0, normalize="relu"
                )
            ),
            # Its own mean takes in a mirrored border; the map without it is ours.
            "ssim": lambda a, b: (
                1
                - image.structural_similarity_index_measure(
                    a, b, data_range=1.0, return_full_image=True
                )[1][..., 5:-5, 5:-5].mean()
            ),
        }[measure]
    if frames := harness.peer("frame_analytics"):
        similarity = getattr(frames, measure)
        found["frame-analytics"] = lambda a, b: 1 - similarity(a, b, data_range=1.0)
    fused = harness.peer("fused_ssim")
    if fused and measure == "ssim" and jax.default_backend() == "gpu":
        found["fused-ssim"] = lambda a, b: (
            1
            - fused.fused_ssim(
                a, b, padding="valid", train=harness.peer("torch").is_grad_enabled()
            )
        )
    return found


if __name__ == "__main__":
    main()
