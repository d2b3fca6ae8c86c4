"""The averaged generator of a run's folder as a restorer.

Apart from `restorer`, since Orbax, which reads checkpoints, takes its time to load.
"""

from pathlib import Path

from jaxrestore.inference import restorer
from jaxrestore.weights import cards


def load(workdir: Path, step: int | None = None) -> restorer.Restorer:
    """Returns the averaged generator of a run, at its best step or at `step`.

    Raises `MismatchError` when `workdir` holds no finished checkpoint, or not `step`,
    and `ConfigError` as `restorer.of_card`.
    """
    card, variables = cards.of_run(workdir, step)
    precision = card["source"]["config"]["precision"]
    return restorer.of_card(card, variables, name=str(workdir), precision=precision)
