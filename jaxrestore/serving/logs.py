"""What the web app says of its work: a line of JSON for each request and each job.

No line has a file's name, an address, who asked, or more of an id than its first eight
digits, with which nothing can be fetched. On a terminal lines are for people.
"""

import contextlib
import logging
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import structlog

from jaxrestore.serving import values

_SHOWN = 8  # digits of an id
_MOST_FRAMES = 20


class Log:
    """Writes lines to a stream, standard output if none is given.

    A stream that takes nothing any more, as a pipe whose reader has gone, loses lines,
    and nothing else. `console` says whether they are for people; if it is not given,
    they are where the stream is a terminal.

    >>> log = logs.Log()
    >>> log.request("c0ffee", route="/healthz", method="GET", code=200, ms=0.4, size=2)
    """

    def __init__(self, stream: Any = None, *, console: bool | None = None):
        """Makes a logger of its own; structlog's global settings stay as they are."""
        stream = stream or sys.stdout
        people = bool(stream.isatty() if console is None else console)
        lossy: Any = _Lossy(stream)
        self._log = structlog.wrap_logger(
            structlog.WriteLogger(lossy),
            wrapper_class=structlog.BoundLogger,
            processors=[
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
                _renderer(people),
            ],
        )

    def request(
        self, id: str, *, route: str, method: str, code: int, ms: float, size: int
    ) -> None:
        """Says how a request was answered.

        `route` is the pattern that matched, so that no id and no name is in it; `id` is
        that of the request, which the answer has as X-Request-ID; `size` is in bytes.
        """
        say = self._log.error if code >= 500 else self._log.info
        told = {"route": route, "method": method, "code": code, "bytes": size}
        say("request", request_id=id, ms=round(ms, 1), **told)

    def job(self, job: values.Job) -> None:
        """Says how a job ended, and what it took; nothing of one that has not ended."""
        if not job.final:
            return
        measured = ("model", "queued_s", "run_s", "tiles", "width", "height")
        numbers = {k: job.numbers[k] for k in measured if k in job.numbers}
        code = {} if job.code is None else {"code": job.code}
        say = self._log.error if job.status is values.Status.FAILED else self._log.info
        told = {"status": str(job.status), "task": job.task, "method": job.method}
        say("job", job_id=job.id[:_SHOWN], source=job.source, **told, **code, **numbers)

    def note(self, event: str, error: BaseException | None = None) -> None:
        """Says what happened; of an error its class, and where it was raised.

        What an error says of itself is left out, since it may name a file.
        """
        if error is None:
            self._log.info(event)
            return
        self._log.error(event, error=type(error).__name__, where=_frames(error))

    def handler(self) -> logging.Handler:
        """Returns what hands the lines of other libraries to this log, by `logging`."""
        return _Handler(self)


class _Lossy:
    """A stream whose failures are nobody's."""

    def __init__(self, stream: Any):
        self._stream = stream

    def write(self, text: str) -> None:
        # Of a closed file it is a ValueError.
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()


class _Handler(logging.Handler):
    def __init__(self, log: Log):
        super().__init__()
        self._told = log

    def emit(self, record: logging.LogRecord) -> None:
        # The pattern, not what is put into it, which may be anything.
        error = record.exc_info[1] if record.exc_info else None
        self._told.note(f"{record.name}: {record.msg!s:.200}", error)


def _frames(error: BaseException) -> Sequence[str]:
    """The innermost last; files without what lies above their package."""
    frames = traceback.extract_tb(error.__traceback__)[-_MOST_FRAMES:]
    return [f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in frames]


def _renderer(people: bool) -> Any:
    if people:
        return structlog.dev.ConsoleRenderer(timestamp_key="ts", colors=False)
    return structlog.processors.JSONRenderer(sort_keys=False)
