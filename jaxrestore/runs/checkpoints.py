"""Checkpoints: the whole state to resume from, and a slim restorer to use.

A run's `checkpoints/STEP/` holds `state` (all that a resumed run needs), `restorer`
(the EMA of the generator, opened without a template on any device), `config` (JSON) and
`metrics` where an evaluation was made. The latest two and the best one are kept.
"""

import hashlib
import json
import math
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

from jaxrestore import config_keys, errors, files

FOLDER = "checkpoints"
KEPT = 3  # at most: the latest two and the best one
_SCORE = "psnr"


def manager(workdir: Path) -> ocp.CheckpointManager:
    """Returns the manager of a run's checkpoints; close it before the process ends.

    What is kept is decided by policy objects: `best_fn` with `max_to_keep` would delete
    the newest checkpoint whenever an older one scores better. `best_fn` is given all
    the same, since without it Orbax writes no scores, and a resumed run would forget
    which checkpoint was the best one and delete it.
    """
    policies = ocp.checkpoint_managers
    score = lambda metrics: metrics[_SCORE]
    keep = policies.AnyPreservationPolicy(
        [
            policies.LatestN(KEPT - 1),
            policies.BestN(
                get_metric_fn=score, n=1, keep_checkpoints_without_metrics=False
            ),
        ]
    )
    options = ocp.CheckpointManagerOptions(
        best_fn=score, cleanup_tmp_directories=True, preservation_policy=keep
    )
    return ocp.CheckpointManager((workdir / FOLDER).absolute(), options=options)


def save(
    manager: ocp.CheckpointManager,
    step: int,
    state: Any,
    *,
    restorer: Any,
    config: Mapping[str, Any],
    score: float | None,
) -> None:
    """Writes a checkpoint in the background; `score` (dB) ranks it, None does not.

    A score that is not finite is written as a bad finite one (NaN) or a very good one
    (+inf), since Orbax's ranking breaks on them. A checkpoint of this step that is
    there already is left as it is: the state is a function of the step.
    """
    manager.check_for_errors()
    if step in manager.all_steps():
        return
    manager.save(
        step,
        args=ocp.args.Composite(
            state=ocp.args.StandardSave(state),
            restorer=ocp.args.StandardSave(restorer),
            config=ocp.args.JsonSave(dict(config)),
        ),
        metrics=None if score is None else {_SCORE: rankable(score)},
        force=True,
    )


def rankable(score: float) -> float:
    """Returns a finite number in the order of `score`, NaN below everything."""
    if math.isnan(score):
        return -1e9
    return min(max(score, -1e8), 1e8)


def restore(manager: ocp.CheckpointManager, step: int, template: Any) -> Any:
    """Returns the state of `step`, shaped and placed as `template` (shapes, shardings).

    Raises `MismatchError` when the checkpoint holds another network's state, and
    `DamagedError` when a part of it is missing or broken.
    """
    path = Path(manager.directory, str(step), "state")
    try:
        restored = manager.restore(
            step, args=ocp.args.Composite(state=ocp.args.StandardRestore(template))
        )
    except (ValueError, KeyError) as error:
        if not path.exists() and (path.parent / "restorer").is_dir():
            raise errors.MismatchError(
                f"of {path.parent} the generator alone was kept, so that no training "
                "can go on from it; start one from its weights with config.init_from"
            ) from error
        if _metadata(path) is None:
            raise _damaged(path) from error
        raise errors.MismatchError(
            f"{path.parent} holds another state than this config asks for "
            "(other networks, adversarial.pool, a plateau schedule, or another version "
            f"of jaxrestore): {str(error).splitlines()[0]} Use the config it was "
            "written with."
        ) from error
    except Exception as error:
        # Orbax has no class of its own for an array that cannot be read.
        if not str(error).startswith("Encountered error while reading array"):
            raise
        raise _damaged(path) from error
    return restored["state"]


def _metadata(path):
    """What an item of a checkpoint holds, None where that cannot be read."""
    with ocp.PyTreeCheckpointer() as checkpointer:
        return checkpointer.metadata(path).item_metadata


def _damaged(path):
    return errors.DamagedError(
        f"{path} is missing or broken in part, so this checkpoint cannot be used; take "
        "it from a copy, or remove its folder to use an earlier one"
    )


def keep_generators(workdir: Path) -> None:
    """Removes from a run's checkpoints all but the EMA of the generator and its scores.

    What uses a run goes on as before; training does not (`restore` says why).
    """
    for step in finished(workdir):
        place = workdir / FOLDER / str(step)
        if (place / "restorer").is_dir() and (place / "state").is_dir():
            shutil.rmtree(place / "state")


def versioned(config: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what the `config.json` of a run holds: its config, and of which version.

    It is plain JSON, with lists for tuples.
    """
    return {"version": config_keys.VERSION, **json.loads(json.dumps(config))}


def read_config(workdir: Path) -> dict[str, Any]:
    """Returns the config a run was started with, without its version.

    Keys that are younger than the run are as it had them. Raises `NoInputError` when
    `workdir` does not exist, `MismatchError` when it is no run, or one of a newer
    jaxrestore, and `DamagedError` for a broken config.
    """
    _check_exists(workdir)
    path = workdir / "config.json"
    if not path.is_file():
        raise errors.MismatchError(
            f"{workdir} is no run: it has no config.json. Give the workdir of a "
            "training run."
        )
    found = files.read_json(path)
    version = found.pop("version", 1)  # builds up to the fifth version wrote none
    if version > config_keys.VERSION:
        raise errors.MismatchError(
            f"{path} is a config of version {version}, and this jaxrestore knows them "
            f"up to {config_keys.VERSION}; update jaxrestore."
        )
    return config_keys.completed(found)


def _check_exists(workdir):
    if not workdir.is_dir():
        raise errors.NoInputError(
            f"{workdir} is no folder that exists; give the workdir of a training run"
        )


def load_restorer(workdir: Path, step: int) -> dict[str, Any]:
    """Returns the variables of the generator's EMA at `step` as NumPy arrays.

    No template, no device and no optimiser is needed, and nothing of the rest of the
    state is read. Raises `DamagedError` when a part is missing or broken.
    """
    return _load(workdir, step, "restorer")


def state_hash(workdir: Path, step: int) -> str:
    """Returns the SHA-256 of every number in the state at `step`, in order of name.

    Equal hashes: equal bits, in parameters, statistics, both optimisers, the average,
    the key and the counts.
    """
    return tree_hash(_load(workdir, step, "state"))


def tree_hash(tree: Any) -> str:
    """Returns the SHA-256 of the names, types, shapes and bits of a tree's arrays."""
    digest = hashlib.sha256()
    for path, leaf in jax.tree.leaves_with_path(tree):
        leaf = np.asarray(leaf)
        digest.update(
            f"{jax.tree_util.keystr(path)} {leaf.dtype} {leaf.shape}".encode()
        )
        digest.update(leaf.tobytes())
    return digest.hexdigest()


def _load(workdir, step, item):
    path = workdir.absolute() / FOLDER / str(step) / item
    if (metadata := _metadata(path)) is None:
        raise _damaged(path)
    tree = metadata.tree
    arguments = jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), tree)
    with ocp.PyTreeCheckpointer() as checkpointer:
        try:
            return checkpointer.restore(
                path, args=ocp.args.PyTreeRestore(item=tree, restore_args=arguments)
            )
        except ValueError as error:  # nothing was asked that it might contradict
            raise _damaged(path) from error


def finished(workdir: Path) -> list[int]:
    """Returns the steps that a run has saved, in order; what a kill cut is not among.

    A folder that is no run has none.
    """
    folder = workdir / FOLDER
    names = [entry.name for entry in folder.iterdir()] if folder.is_dir() else []
    return sorted(int(name) for name in names if name.isdigit())


def steps(workdir: Path) -> list[int]:
    """Returns `finished`; raises `MismatchError` if that is empty.

    `NoInputError` where there is no such folder.
    """
    _check_exists(workdir)
    found = finished(workdir)
    if not found:
        raise errors.MismatchError(
            f"{workdir} holds no finished checkpoint. Train first, or give the workdir "
            "of a run that saved one."
        )
    return found


def best_step(workdir: Path) -> int:
    """Returns the step with the best evaluation; without evaluations, the latest."""
    scores = {}
    for step in steps(workdir):
        path = workdir / FOLDER / str(step) / "metrics" / "metrics"
        if path.is_file():
            scores[step] = files.read_json(path)[_SCORE]
    return max(scores, key=scores.__getitem__) if scores else steps(workdir)[-1]


def chosen_step(workdir: Path, step: int | None) -> int:
    """Returns `step`, or `best_step` for None; raises `MismatchError` if not saved."""
    if step is None:
        return best_step(workdir)
    if step not in (known := steps(workdir)):
        raise errors.MismatchError(
            f"{workdir} has no checkpoint of step {step}; it has {known}"
        )
    return step
