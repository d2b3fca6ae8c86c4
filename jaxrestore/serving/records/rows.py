"""Jobs as rows of the table `job`, and rows as jobs."""

import json
from collections.abc import Mapping
from typing import Any

from jaxrestore import __version__
from jaxrestore.serving import values
from jaxrestore.serving.records import models

# What changes in the life of a job, beside its status and its numbers.
CHANGING = ("started", "finished", "code", "detail", "tries", "expires")
_FACTS = {  # of an image: its columns by their names in `facts`
    "format": "in_format",
    "bytes": "in_bytes",
    "width": "in_width",
    "height": "in_height",
    "channels": "channels",
    "bits": "bits",
    "alpha": "alpha",
    "mask_share": "mask_share",
}
_FIXED = ("id", "batch_id", "mask_id", "source", "task", "method", "created")


def of_job(job: values.Job, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the row of a job but for its owner; `facts` as in `contracts.Ledger`.

    The SHA-256 of the upload is left out: it tells that somebody had a picture.
    """
    row = {column: facts.get(name) for name, column in _FACTS.items()}
    row["alpha"] = None if row["alpha"] is None else int(row["alpha"])
    row |= {name: getattr(job, name) for name in (*_FIXED, "image_id", *CHANGING)}
    row |= {"options": json.dumps(dict(job.options)), "version": __version__}
    return {**row, "status": str(job.status), **measured(job.numbers)}


def measured(numbers: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the columns of a job's numbers; `more` has those without one.

    A number that is not finite is no measurement and left out.
    """
    row: dict[str, Any] = dict.fromkeys(models.MEASURED)
    more = {}
    for name, value in numbers.items():
        kind = models.MEASURED.get(name)
        if isinstance(value, float) and not abs(value) < float("inf"):
            continue
        if kind is float and type(value) is int:
            value = float(value)
        if kind is not None and type(value) is kind:
            row[name] = value
        elif value is not None:
            more[name] = value
    return {**row, "more": json.dumps(more)}


def job(row: Mapping[Any, Any]) -> values.Job:
    """Returns the job of a row, with the word under which the ledger knows its owner.

    What only a live job has, such as its position, it lacks.
    """
    numbers = {name: row[name] for name in models.MEASURED if row[name] is not None}
    erased = row["erased"] is not None
    return values.Job(
        owner="" if row["owner"] is None else row["owner"].hex(),
        image_id=row["image_id"] or "",
        options=json.loads(row["options"]),
        status=values.Status.EXPIRED if erased else values.Status(row["status"]),
        share=float(row["status"] == values.Status.DONE),
        numbers={**numbers, **json.loads(row["more"])},
        **{name: row[name] for name in (*_FIXED, *CHANGING)},
    )
