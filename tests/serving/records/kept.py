"""Jobs, and databases to keep them in, for the tests of the records."""

import uuid

import sqlalchemy as sa

from jaxrestore.serving import values
from jaxrestore.serving.records import models

FACTS = {
    **{"format": "PNG", "bytes": 900, "sha256": "ab" * 32, "mask_share": None},
    **{"width": 640, "height": 480, "channels": 3, "bits": 8, "alpha": False},
}
DAY = 86_400


def url(folder):
    """The URL of a new SQLite in a folder."""
    return f"sqlite:///{folder / 'records.sqlite'}"


def rows(jobs, table: type[models.Base] = models.Job):
    """The rows of a table of a ledger."""
    with jobs.engine.connect() as connection:
        return connection.execute(sa.select(table.__table__)).mappings().all()


def job(id=None, **fields):
    """A job that was ordered at noon of day 20,000."""
    fields = {"created": 20_000.5 * DAY, "task": "denoise", **fields}
    given = {"owner": "ann", "image_id": "1" * 32, "method": "network"}
    given["expires"] = fields["created"] + 1800
    return values.Job(id=id or uuid.uuid4().hex, **{**given, **fields})


class Clock:
    """A clock that stands at noon of day 20,000 until it is set."""

    def __init__(self):
        self.now = 20_000.5 * DAY

    def __call__(self):
        return self.now
