"""The files that tell how a run went: evaluation.csv, summary.json, report.html."""

import copy
import datetime
import importlib.metadata
import json
import os
import platform
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax

from jaxrestore import __version__, contracts, errors, files, naming, networks, sharding
from jaxrestore.data import pipeline, samples
from jaxrestore.evaluation import evaluate, hole_shares, maps, report, summaries
from jaxrestore.runs import checkpoints


def evaluator(config: Mapping[str, Any], mesh: jax.sharding.Mesh) -> evaluate.Evaluator:
    """Returns the evaluation that `config` asks for.

    Raises `NoInputError` when its folder is missing or holds no image.
    """
    source = pipeline.evaluation_source(config["data"], config["crop"])
    return evaluator_of(source, config, mesh)


def evaluator_of(
    source: Any, config: Mapping[str, Any], mesh: jax.sharding.Mesh
) -> evaluate.Evaluator:
    """Returns the same for the `pipeline.evaluation_source` that was opened already."""
    model = networks.build("Generator", config["generator"], config["precision"])
    return evaluate.Evaluator(
        source,
        degradation=config["degradation"],
        protocol=config["evaluation"]["protocol"],
        seed=config["evaluation"]["seed"],
        batch_size=config["evaluation"]["batch_size"],
        crop=config["data"]["evaluation_crop"],
        mesh=mesh,
        scale=model.scale,
        not_shown=_withheld(config["data"]),
    )


def _withheld(data):
    """Only the embedded samples hold a person's photograph."""
    elsewhere = data["evaluation"] != "embedded" or data.get("split")
    return frozenset() if elsewhere else samples.NOT_SHOWN


def score(workdir: Path, mesh: jax.sharding.Mesh | None = None) -> dict[str, Any]:
    """Scores the best checkpoint of a run, rewrites its three files; returns summary.

    What `jaxrestore restore` would use is what is scored. Raises `MismatchError` when
    `workdir` is no run or has no finished checkpoint, and `DamagedError` when a file of
    it is missing or broken.
    """
    config = checkpoints.read_config(workdir)
    environment = files.read_json(workdir / "environment.json")  # before the work
    result, summary = _score(workdir, config, mesh or sharding.mesh())
    if notices := _notices(workdir):
        summary["notices"] = notices
    if jax.process_index() == 0:
        _write(workdir, config, environment, result, summary)
    return summary


def _notices(workdir):
    """What the training found doubtful about its images."""
    path = workdir / "data_report.json"
    return files.read_json(path).get("notices") if path.is_file() else None


def score_under(
    workdir: Path, changes: Mapping[str, Any], mesh: jax.sharding.Mesh | None = None
) -> dict[str, Any]:
    """Scores the best checkpoint of a run on another question; writes nothing.

    `changes` are keys of its config with their dots (`"data.evaluation"`,
    `"degradation"`, `"evaluation.statistics"`) and what they hold instead. Returns the
    summary that `score` writes, and the images' `rows`. Raises as `with_changes`.
    """
    config = with_changes(checkpoints.read_config(workdir), changes)
    result, summary = _score(workdir, config, mesh or sharding.mesh())
    return {**summary, "rows": result.rows}


def with_changes(
    config: Mapping[str, Any], changes: Mapping[str, Any]
) -> dict[str, Any]:
    """Returns a copy of the config with other values at some keys, with their dots.

    Raises `ConfigError` for a key that the config does not have, with the nearest one.
    """
    changed = copy.deepcopy(dict(config))
    for key, value in changes.items():
        section: Any = changed
        *sections, name = key.split(".")
        for part in sections:
            _check_key(section, part, key)
            section = section[part]
        _check_key(section, name, key)
        section[name] = value
    return changed


def _check_key(section, part, key):
    known = list(section) if isinstance(section, Mapping) else []
    if part not in known:
        where = key.split(f".{part}")[0]
        hint = naming.nearest(part, known) if known else f"{where} holds no keys."
        raise errors.ConfigError(f"the run has no config.{key} to score under: {hint}")


def _score(workdir, config, mesh):
    """What the best checkpoint scores in the evaluation that `config` asks for."""
    step = checkpoints.best_step(workdir)
    variables = checkpoints.load_restorer(workdir, step)
    model = networks.build("Generator", config["generator"], config["precision"])
    statistics = networks.statistics(config)
    restore = networks.restore_function(model, statistics)
    placed = sharding.replicate(variables, mesh)
    result = evaluator(config, mesh)(
        lambda degraded: restore(placed, degraded),
        probes=_probes(config, model, placed),
    )
    size = sum(leaf.size for leaf in jax.tree.leaves(variables["params"]))
    more = {"left_out": dict(result.left_out)} if result.left_out else {}
    if "hole_share" in result.rows[0]:
        more["holes"] = hole_shares.summarize(result.rows)
    return result, {
        **summaries.summarize(result.rows),
        **more,
        "protocol": config["evaluation"]["protocol"],
        "statistics": statistics,
        "seconds": round(result.seconds, 3),
        "step": step,
        "parameters": {"generator": size},
    }


def _probes(config, model, variables):
    """The maps that `config` asks for; of pairs nobody knows the damage.

    Where a network looks is always told, and of holes how large they are.
    """
    look = networks.attention_function(model)
    probes = [maps.attention(lambda degraded: look(variables, degraded))]
    asked = config["evaluation"]
    if contracts.takes_damage(naming.function("protocols", asked["protocol"])):
        probes.append(hole_shares.probe)
    if asked["consistency"] and config["degradation"] is not None:
        probes.append(maps.consistency(config["degradation"]))
    if count := asked["samples"]:
        drawn = networks.sample_function(model)
        sample = lambda key, degraded: drawn(variables, key, degraded)
        probes.append(maps.uncertainty(sample, count=count, seed=asked["seed"]))
    return probes


def verdict(summary: Mapping[str, Any], workdir: Path) -> str:
    """Returns a line: the gain, and where the report lies."""
    psnr = summary["metrics"]["psnr"]
    if not psnr["images"]:
        return f"PSNR is finite for no image; {workdir / 'report.html'}"
    return (
        f"step {summary['step']}: PSNR {psnr['degraded']:.2f} -> "
        f"{psnr['restored']:.2f} dB, gain {psnr['gain']:+.2f} dB"
        f"{summaries.of_finite(psnr, summary['images'])}, "
        f"{summary['share_better_than_input']:.0%} of {summary['images']} images "
        f"better than their input; {workdir / 'report.html'}"
    )


def _write(workdir, config, environment, result, summary):
    if "notices" in summary:
        environment = {**environment, "notice": "; ".join(summary["notices"])}
    files.write_csv(workdir / "evaluation.csv", result.rows)
    files.write_json(workdir / "summary.json", summary)
    run = report.Run(
        title=workdir.resolve().name,
        summary=summary,
        rows=[
            {
                name: value if name == "image" else summaries.finite(value)
                for name, value in row.items()
            }
            for row in result.rows
        ],
        strips=result.strips,
        panels=result.panels,
        withheld=_withheld(config["data"]),
        history=read_history(workdir / "metrics.jsonl"),
        config=dict(config),
        environment=environment,
    )
    report.write(workdir / "report.html", run)


def read_history(path: Path) -> list[dict[str, Any]]:
    """Returns the rows of a `metrics.jsonl`; none if there is no such file.

    A last line that a kill cut short is left out.
    """
    if not path.is_file():
        return []
    rows = []
    for line in path.read_text().splitlines():
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return rows


def environment() -> dict[str, str]:
    """Returns what a number depends on: versions, device, command and date."""
    versions = {
        name: importlib.metadata.version(name)
        for name in ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "grain")
    }
    devices = jax.devices()
    now = datetime.datetime.now(datetime.UTC)
    return {
        "jaxrestore": __version__,
        **versions,
        "python": platform.python_version(),
        "device": f"{len(devices)} x {devices[0].device_kind}",
        "processes": str(jax.process_count()),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "date": now.isoformat(timespec="seconds"),
        "command": " ".join(["python", *sys.orig_argv[1:]]),
    }
