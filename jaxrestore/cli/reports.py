"""What `jaxrestore restore` has done: its scores as a table, and all of it as JSON."""

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from jaxrestore import __version__, files, tables
from jaxrestore.cli import restorations
from jaxrestore.cli.commands import scoring
from jaxrestore.cli.restorations import Work

PROTOCOL = "rgb8"

Scores = Mapping[str, Mapping[str, float | None]]  # of metrics, by an image's name


def scored(work: Work) -> Scores:
    """Prints PSNR and SSIM of each result that is there, and of what it came from.

    Returns what `evaluation.folders.score_files` has of each: `restored_psnr` and so
    on, None where it is not finite. Why others have none joins `work.unscored`.
    """
    if work.references is None:
        return {}
    # Imported here: it loads what reads checkpoints.
    from jaxrestore.evaluation import folders, summaries

    partners = {
        name: {"prediction": place.destination, "target": target, "input": place.source}
        for name, place in work.plan.places.items()
        if (target := work.references.get(name)) and place.destination.is_file()
    }
    scores = folders.score_files(partners, protocol=PROTOCOL)
    work.unscored |= scores.skipped
    if scores.rows:
        _print_scores(scores.rows, folders.summarize(scores.rows)[PROTOCOL])
    for note in scores.notes:
        print(note)
    known = {"image", "protocol"}
    return {
        row["image"]: {n: summaries.finite(row[n]) for n in row if n not in known}
        for row in scores.rows
    }


def _print_scores(rows: list[dict[str, Any]], summary: Mapping[str, Any]) -> None:
    columns = [(name, of) for of in ("restored", "degraded") for name in _SHOWN]
    lines = [
        [row["image"], *(scoring.number(row[f"{of}_{n}"], n) for n, of in columns)]
        for row in rows
    ]
    if len(rows) > 1:
        keys = {"restored": "mean", "degraded": "degraded"}
        parts = [(summary["metrics"][name], keys[of], name) for name, of in columns]
        means = [scoring.number(p[key], name, p["infinite"]) for p, key, name in parts]
        lines.append(["mean", *means])
    print(tables.aligned([PROTOCOL, *_SHOWN, *(f"input {n}" for n in _SHOWN)], lines))


_SHOWN = ("psnr", "ssim")


def refuse_other(path: Path, output: str) -> None:
    """Raises `ConfigError` for a file that is there, but for a report of this output.

    So the same command may be given again.
    """
    try:
        before = json.loads(path.read_bytes())
        same = before["output"] == str(Path(output)) and "images" in before
    except (OSError, ValueError, TypeError, LookupError):
        same = False
    if not same:
        files.refuse_existing([path])


@contextlib.contextmanager
def written(
    path: Path | None, work: Work, spelled: Callable[[str], str] = str
) -> Iterator[dict[str, Any]]:
    """Writes what became of each file as JSON at the end, however that comes.

    Inside is a dictionary for what `scored` returns; paths are `spelled`. Without a
    path nothing is written. Raises `DiskError`.
    """
    scores: dict[str, Any] = {}
    try:
        yield scores
    finally:
        if path is not None:
            _write(path, work, scores, spelled)


def _write(
    path: Path, work: Work, scores: Scores, spelled: Callable[[str], str]
) -> None:
    import jax

    path.parent.mkdir(parents=True, exist_ok=True)
    restored = work.restored
    without = [name for name in work.skipped if name not in work.plan.places]
    document = {
        "jaxrestore": __version__,
        "jax": jax.__version__,
        "settings": work.settings,
        "weights_sha256": restorations.fingerprint(work) or None,
        "output": spelled(str(work.output)),
        "seconds": work.seconds,
        "megapixels": sum(one.pixels for one in restored) / 1e6,
        "images": [
            {"image": name, **_paths(work, name, spelled), **_became(work, name)}
            | ({"scores": scores[name]} if name in scores else {})
            for name in (*work.plan.places, *without)
        ],
        "left_out": work.plan.left_out,
        "not_scored": work.unscored,
    }
    files.write_json(path, document)


def _paths(work: Work, name: str, spelled: Callable[[str], str]) -> dict[str, str]:
    place = work.plan.places.get(name)
    if place is None:  # it has no mask
        return {}
    paths = {"source": place.source, "output": place.destination}
    return {what: spelled(str(path)) for what, path in paths.items()}


def _became(work: Work, name: str) -> dict[str, Any]:
    """What became of one image; `docs/restoration.md` tells the words of `status`."""
    done = work.done.get(name)
    if name in work.rest.kept:
        return {"status": "there", "why": work.rest.kept[name] or ""}
    if done is None:
        why = work.skipped.get(name, "")
        return {"status": "skipped" if why else "not reached", "why": why}
    return {
        "status": "skipped" if done.why else "restored",
        "why": done.why,
        "seconds": done.seconds,
        "megapixels": done.pixels / 1e6,
    }
