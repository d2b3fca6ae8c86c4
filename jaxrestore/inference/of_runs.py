"""The averaged generator of a run's folder as a restorer.

Apart from `restorer`, since Orbax, which reads checkpoints, takes its time to load.
"""

from pathlib import Path

from jaxrestore import networks
from jaxrestore.inference import restorer
from jaxrestore.runs import checkpoints
from jaxrestore.weights import conversion


def load(workdir: Path, step: int | None = None) -> restorer.Restorer:
    """Returns the averaged generator of a run, at its best step or at `step`.

    Raises `MismatchError` when `workdir` holds no finished checkpoint, or not `step`,
    and `ConfigError` for a network that takes a mask, or another image than it gives.
    """
    config = checkpoints.read_config(workdir)
    step = checkpoints.chosen_step(workdir, step)
    variables = checkpoints.load_restorer(workdir, step)
    facts = conversion.described(config["generator"], variables)
    return restorer.build(
        config["generator"],
        variables,
        config["precision"],
        networks.statistics(config),
        level_map=restorer.has_level_map(workdir, facts, config),
    )
