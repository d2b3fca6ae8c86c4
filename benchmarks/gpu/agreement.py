"""That PyTorch's training step is ours, in float32, before anyone compares times."""

from collections.abc import Iterator

from benchmarks import harness, train_step
from benchmarks.gpu import contests, step


def rows(*, toy: bool, system: str) -> Iterator[contests.Row]:
    """Yields how far two steps from equal weights are apart; fails if too far."""
    if not harness.peer("torch"):
        yield {"contestant": "PyTorch", "why": "torch is not installed"}
        return
    crop = {"gan_full": 128, "pix2pix": 256}[system]
    config = step.config_of(
        toy=toy, system=system, crop=crop, batch=2, precision="float32"
    )
    for what, distance in train_step.check(config).items():
        yield {"contestant": what, "distance": distance}
