"""What a rater hands in: checked before it is kept, and again before it is counted.

A file is `{"study": id, "rater": name, "answers": [{"trial", "answer", "seconds"}]}`,
its answers `"left"` or `"right"`, in the order in which they were shown.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jaxrestore import errors, files
from jaxrestore.raters import pictures

FOLDER = "answers"
MOST_BYTES = 1_000_000  # of one rater's answers; a thousand of them take 60 000
MOST_FILES = 10_000  # so that nobody fills the disk
SIDES = ("left", "right")
_RATER = r"[A-Za-z0-9_-]{1,40}"  # also a part of a file's name
_MOST_SECONDS = 10**8  # three years; an int beyond every float would be none


class Rater(NamedTuple):
    """One rater's answers by trial, and the seconds each of them took."""

    name: str
    answers: dict[str, str]
    seconds: dict[str, float]


def check(key: Mapping[str, Any], data: bytes, name: str) -> Rater:
    """Returns what `data`, the bytes of an answer file, holds; perhaps not all answers.

    Raises `ConfigError`, which calls the file `name`, for what is no answer file,
    trials that the study lacks, an answer other than left or right, a second answer to
    one trial and none at all; `MismatchError` for the answers to another study.
    """
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise errors.ConfigError(
            f"{name} is no JSON ({error}); give the file as the page saved it"
        ) from error
    if not isinstance(document, dict) or not _has_its_parts(document):
        raise errors.ConfigError(
            f"{name} is no answer file: it lacks study, a rater of letters, digits, _ "
            "and -, or a list of answers; give the file as the page saved it"
        )
    if document["study"] != key["study"]:
        raise errors.MismatchError(
            f"{name} answers the study {document['study'][:40]!r}, not "
            f"{key['study']!r}; score it with the key its page was made with"
        )
    rater = Rater(document["rater"], {}, {})
    known = {trial["trial"] for trial in key["trials"]}
    for place, row in enumerate(document["answers"], 1):
        trial, answer, seconds = _answer(row, f"{name}, answer {place}")
        if trial not in known:
            raise errors.ConfigError(
                f"{name}, answer {place}: the study has no trial {trial[:40]!r}"
            )
        if trial in rater.answers:
            raise errors.ConfigError(
                f"{name}, answer {place}: {trial} is answered twice; remove one"
            )
        rater.answers[trial], rater.seconds[trial] = answer, seconds
    if not rater.answers:
        raise errors.ConfigError(f"{name} holds no answer; remove it")
    return rater


def read(
    folder: Path,
    key: Mapping[str, Any],
    files: Sequence[Path] | None = None,
    *,
    partial: bool = False,
) -> list[Rater]:
    """Returns the raters of `files`, or of all files in `folder`/answers.

    Raises what `check` raises; `NoInputError` for missing files, or when there is none;
    `ConfigError` for two files of one rater and, unless `partial`, for a file that
    leaves questions open, saying how many.
    """
    files = sorted((folder / FOLDER).glob("*.json")) if files is None else files
    if not files:
        raise errors.NoInputError(
            f"{folder / FOLDER} holds no answers; collect some with `jaxrestore study "
            "serve`, or give the files that raters saved"
        )
    raters: dict[str, Rater] = {}
    for path in files:
        rater = check(key, _bytes(path), str(path))
        answered, asked = len(rater.answers), len(key["trials"])
        if answered < asked and not partial:
            raise errors.ConfigError(
                f"{path}: {answered} of {asked} questions are answered; have the rater "
                "finish, leave the file out, or count what there is with `partial`"
            )
        if rater.name in raters:
            raise errors.ConfigError(
                f"{path} is a second file of the rater {rater.name}; keep one of them"
            )
        raters[rater.name] = rater
    return [*raters.values()]


def keep(folder: Path, rater: str, data: bytes) -> bool:
    """Writes what a rater sent, and was checked, as `folder`/answers/RATER-N.json.

    N is the rater's next free number. Returns whether it is new: the same bytes are
    kept once. Not for several threads at one time. Raises `DiskError` where there is no
    room, or where `MOST_FILES` are there already.
    """
    place, number = folder / FOLDER, 1
    place.mkdir(exist_ok=True)
    while (path := place / f"{rater}-{number}.json").exists():
        if path.read_bytes() == data:
            return False
        number += 1
    if sum(1 for _ in place.iterdir()) >= MOST_FILES:
        raise errors.DiskError(
            f"{place} holds {MOST_FILES} answers already, and takes no more; make "
            "another study, or take some out"
        )
    files.write_bytes(path, data)
    return True


def caught(key: Mapping[str, Any], rater: Rater) -> tuple[int, int]:
    """Returns how many catch questions a rater got right, and how many were answered.

    Right is the target, whichever side it was on.
    """
    catches = [t for t in key["trials"] if t["catch"] and t["trial"] in rater.answers]
    right = [
        trial[rater.answers[trial["trial"]]] == pictures.TARGET for trial in catches
    ]
    return sum(right), len(right)


def _has_its_parts(document: Mapping[str, Any]) -> bool:
    rater = document.get("rater")
    return (
        isinstance(document.get("study"), str)
        and isinstance(rater, str)
        and re.fullmatch(_RATER, rater) is not None
        and isinstance(document.get("answers"), list)
    )


def _answer(row: Any, place: str) -> tuple[str, str, float]:
    row = row if isinstance(row, dict) else {}
    trial = row.get("trial")
    if not isinstance(trial, str):
        raise errors.ConfigError(
            f"{place} names no trial; give the file as the page saved it"
        )
    answer, seconds = row.get("answer"), row.get("seconds", math.nan)
    if answer not in SIDES:
        raise errors.ConfigError(
            f"{place} ({trial[:40]}): {str(answer)[:40]!r} is no answer; it is left or "
            "right"
        )
    # NaN is refused too, and so is true, which Python takes for 1.
    if type(seconds) in (int, float) and 0 <= seconds <= _MOST_SECONDS:
        return trial, answer, float(seconds)
    raise errors.ConfigError(
        f"{place} ({trial[:40]}): {str(seconds)[:40]!r} is no time in seconds; give "
        "the file as the page saved it"
    )


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise errors.NoInputError(
            f"{path} cannot be read ({error.strerror}); check the path"
        ) from error
