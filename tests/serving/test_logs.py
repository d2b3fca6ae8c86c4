"""Lines of the log: what is in them, and what never is."""

import contextlib
import io
import json
import logging
from pathlib import Path

import pytest
from serving.records import kept

from jaxrestore.serving import logs, values


@pytest.fixture
def said():
    """A log, and a function that returns the lines that it has written."""
    stream = io.StringIO()
    read = lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    return logs.Log(stream), read


def test_a_request_is_one_line(said):
    log, read = said
    told = {"route": "/api/v1/jobs/{id}", "method": "GET", "code": 200}
    log.request("c0ffee", **told, ms=1.26, size=31)
    (line,) = read()
    assert line.pop("ts").endswith("Z")
    assert line == {
        **{"level": "info", "event": "request", "request_id": "c0ffee"},
        **told,
        **{"ms": 1.3, "bytes": 31},
    }
    log.request("c0ffee", **{**told, "code": 500}, ms=1.0, size=0)
    assert read()[1]["level"] == "error"


def test_a_job_is_one_line_when_it_has_ended(said):
    log, read = said
    job = kept.job("0123456789abcdef" * 2, owner="session-of-ann")
    log.job(job)
    assert read() == []
    numbers = {"run_s": 2.5, "tiles": 4, "model": "unet", "sigma_in": 9.0}
    done = {"status": values.Status.DONE, "numbers": numbers}
    log.job(values.Job(**{**vars(job), **done}))
    failed = {"status": values.Status.FAILED, "code": "out_of_memory"}
    failed["detail"] = "holiday.png is too large"
    log.job(values.Job(**{**vars(job), **failed}))
    ended, broken = read()
    del ended["ts"], broken["ts"]
    assert ended == {
        **{"level": "info", "event": "job", "job_id": "01234567", "status": "done"},
        **{"task": "denoise", "method": "network", "source": "api"},
        **{"run_s": 2.5, "tiles": 4, "model": "unet"},
    }
    assert (broken["level"], broken["code"]) == ("error", "out_of_memory")
    assert "holiday" not in repr(broken) and "ann" not in repr(broken)


def _fail(path):
    raise FileNotFoundError(f"{path} is missing")


def test_an_error_is_told_by_its_class_and_place_without_its_words(said):
    log, read = said
    try:
        _fail("/home/ann/holiday.png")
    except FileNotFoundError as error:
        log.note("a bug", error)
    log.note("started")
    (bug, started) = read()
    assert (bug["event"], bug["error"]) == ("a bug", "FileNotFoundError")
    assert bug["where"][-1].startswith("test_logs.py:")
    assert bug["where"][-1].endswith(" _fail")
    assert "ann" not in repr(bug)
    assert started["level"] == "info" and "error" not in started


def test_lines_of_other_libraries_come_without_what_is_put_into_them(said):
    log, read = said
    other = logging.Logger("uvicorn.error")
    other.addHandler(log.handler())
    other.error("%s - Invalid request", "192.0.2.7:4711")
    (line,) = read()
    assert line["event"] == "uvicorn.error: %s - Invalid request"


def test_on_a_terminal_lines_are_for_people():
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    stream = Terminal()
    logs.Log(stream).request("a", route="/", method="GET", code=200, ms=1.0, size=2)
    line = stream.getvalue()
    assert "request" in line and "route=/" in line and not line.startswith("{")


@pytest.mark.parametrize("closed", [True, False])
def test_a_stream_that_takes_nothing_stops_nobody(closed, tmp_path):
    """As of `jaxrestore serve | head`, or on a full disk."""
    place = tmp_path / "log" if closed else Path("/dev/full")
    stream = place.open("w")
    log = logs.Log(stream, console=False)
    if closed:
        stream.close()
    for _ in range(3):
        log.note("a bug", ValueError("of ours"))
    if not closed:
        with contextlib.suppress(OSError):
            stream.close()
