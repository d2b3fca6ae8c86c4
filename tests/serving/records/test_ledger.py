"""What is written down of jobs, in each kind of database that is at hand."""

import dataclasses
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import sqlalchemy as sa
from serving.records import kept

from jaxrestore import errors
from jaxrestore.serving import contracts, values
from jaxrestore.serving.records import databases, ledger, models

ROOT = Path(__file__).parents[3]
DONE, EXPIRED, FAILED = values.Status.DONE, values.Status.EXPIRED, values.Status.FAILED


def test_it_is_what_the_service_asks_for(jobs):
    assert isinstance(jobs, contracts.Ledger)


def test_a_job_comes_back_as_it_was_but_for_its_owner(jobs):
    job = kept.job(
        options={"strength": 0.5, "scale": 2},
        mask_id="2" * 32,
        batch_id="3" * 32,
        source="batch",
        numbers={"queued_s": 2, "tiles": 3, "device": "cpu", "seams": 4},
    )
    jobs.add(job, kept.FACTS)
    found = jobs.get(job.id)
    assert found == values.Job(**{**vars(job), "owner": found.owner})
    assert "ann" not in found.owner and found.owner
    assert jobs.get("f" * 32) is None


def test_a_change_is_of_the_fields_that_are_given(jobs):
    jobs.add(kept.job("a"), kept.FACTS)
    jobs.change("a", {"status": values.Status.RUNNING, "started": 5.0, "tries": 1})
    assert jobs.get("a").status == values.Status.RUNNING
    jobs.change("a", {"status": values.Status.QUEUED})
    jobs.change("a", {"status": FAILED, "code": "engine_restarted", "detail": "Oh."})
    found = jobs.get("a")
    assert (found.status, found.started, found.tries) == (FAILED, 5.0, 1)
    assert (found.code, found.detail, found.finished) == (
        "engine_restarted",
        "Oh.",
        None,
    )
    with pytest.raises(ValueError, match="owner"):
        jobs.change("a", {"owner": "bob"})
    with pytest.raises(KeyError, match="no job b"):
        jobs.change("b", {"status": DONE})


def test_a_job_that_has_ended_stays_as_it_ended(jobs, clock):
    jobs.add(kept.job("a"), kept.FACTS)
    jobs.change("a", {"status": DONE, "finished": 7.0, "numbers": {"run_s": 1.5}})
    jobs.change("a", {"status": FAILED, "finished": 9.0, "code": "late"})
    found = jobs.get("a")
    assert (found.status, found.finished, found.code) == (DONE, 7.0, None)
    assert found.share == 1 and found.numbers == {"run_s": 1.5}
    clock.now += 1
    jobs.change("a", {"status": EXPIRED})
    assert jobs.get("a").status == EXPIRED
    (row,) = kept.rows(jobs)
    assert row["status"] == "done" and row["erased"] == clock.now


def test_numbers_of_another_type_are_kept_beside_and_those_not_finite_are_not(jobs):
    numbers = {"tiles": 2.5, "run_s": float("nan"), "fill": 1, "waves": float("inf")}
    jobs.add(kept.job("a", numbers=numbers), kept.FACTS)
    assert jobs.get("a").numbers == {"tiles": 2.5, "fill": 1.0}


def test_the_unfinished_are_those_that_have_not_ended_the_oldest_first(jobs):
    for number, status in enumerate(values.Status):
        jobs.add(kept.job(str(status), created=9.0 - number), kept.FACTS)
        jobs.change(str(status), {"status": status})
    assert [job.id for job in jobs.unfinished()] == ["running", "queued"]


def test_an_owner_looks_another_on_another_day_and_the_same_within_one(jobs, clock):
    jobs.add(kept.job("a", created=clock.now), kept.FACTS)
    clock.now += kept.DAY
    jobs.add(kept.job("b", created=clock.now), kept.FACTS)
    jobs.add(kept.job("c", created=clock.now + 1), kept.FACTS)
    jobs.add(kept.job("d", owner="bob"), kept.FACTS)
    owners = {row["id"]: row["owner"] for row in kept.rows(jobs)}
    assert owners["a"] != owners["b"] == owners["c"] != owners["d"]


def test_secrets_older_than_yesterday_are_thrown_away(jobs, clock):
    for _ in range(4):
        jobs.add(kept.job(), kept.FACTS)
        clock.now += kept.DAY
    assert sorted(row["day"] for row in kept.rows(jobs, models.Salt)) == [
        20_002,
        20_003,
    ]


def test_what_has_expired_is_forgotten_but_for_its_numbers(jobs, clock):
    job = kept.job("old", expires=clock.now - 1, mask_id="2" * 32)
    jobs.add(job, kept.FACTS)
    jobs.change("old", {"status": FAILED, "code": "bad", "detail": "ann.png is bad"})
    jobs.add(kept.job("new", expires=clock.now + 1), kept.FACTS)
    jobs.change("new", {"status": DONE})
    jobs.add(kept.job("slow", expires=clock.now - 1), kept.FACTS)
    times = clock.now - 9, clock.now - 1
    jobs.batch(values.Batch("b", "ann", "denoise", ("x", "y"), *times))
    for _ in range(2):
        jobs.tidy()
    rows = {row["id"]: row for row in kept.rows(jobs)}
    gone = ("owner", "image_id", "mask_id", "detail")
    assert all(rows["old"][name] is None for name in gone)
    assert rows["old"]["code"] == "bad" and rows["old"]["in_width"] == 640
    assert rows["new"]["owner"] and rows["slow"]["owner"]
    (batch,) = kept.rows(jobs, models.Batch)
    assert batch["owner"] is None and batch["jobs"] == 2


def test_what_is_forgotten_is_in_no_byte_of_the_files(tmp_path, clock):
    held = lambda: b"".join(file.read_bytes() for file in tmp_path.iterdir())
    with ledger.Ledger(kept.url(tmp_path), clock=clock) as jobs:
        jobs.add(
            kept.job("a", image_id="c0ffee" * 5, expires=clock.now - 1), kept.FACTS
        )
        jobs.change("a", {"status": FAILED, "detail": "Too dark for Ottilie."})
        (row,), (salt,) = kept.rows(jobs), kept.rows(jobs, models.Salt)
        gone = [row["owner"], row["image_id"].encode(), row["detail"].encode()]
        assert all(part in held() for part in (*gone, salt["secret"]))
        jobs.tidy()
        assert not any(part in held() for part in gone) and salt["secret"] in held()
        clock.now += 2 * kept.DAY
        jobs.add(kept.job("b"), kept.FACTS)
        jobs.tidy()
        assert salt["secret"] not in held()


def test_who_reads_does_not_keep_the_server_from_tidying(tmp_path, clock):
    with ledger.Ledger(kept.url(tmp_path), clock=clock) as jobs:
        jobs.add(kept.job("a"), kept.FACTS)
        with jobs.engine.connect() as reader:
            reader.execute(sa.select(models.Job.id)).all()
            jobs.add(kept.job("b"), kept.FACTS)
            begun = time.monotonic()
            jobs.tidy()
            assert time.monotonic() - begun < 2  # and not the 5 s of `busy_timeout`
        with databases.writing(jobs.engine) as connection:
            asked = connection.exec_driver_sql("PRAGMA busy_timeout")
            assert asked.scalar() == 5000


def test_networks_are_written_down_once_by_the_hash_of_their_weights(jobs, clock):
    task = values.TaskInfo("denoise", "Remove noise", "", ("network",))
    first, second = (
        dataclasses.replace(
            task,
            networks=(values.Network("denoise", "unet", "Apache-2.0", letter * 64),),
        )
        for letter in "ab"
    )
    jobs.networks([task, first])
    clock.now += 9
    jobs.networks([first, second])
    old, new = sorted(kept.rows(jobs, models.Model), key=lambda row: row["sha256"])
    assert old == {
        **{"sha256": "a" * 64, "architecture": "unet", "license": "Apache-2.0"},
        **{"added": clock.now - 9},
    }
    assert (new["sha256"], new["added"]) == ("b" * 64, clock.now)


def test_nothing_of_a_row_tells_of_a_picture_or_a_person(jobs, tmp_path):
    skipped = {"holiday.png": "it is no image"}
    jobs.add(kept.job("a", owner="session-of-ann"), kept.FACTS)
    jobs.batch(values.Batch("b", "session-of-ann", "sr", ("a",), 1.0, 2.0, skipped))
    told = repr([kept.rows(jobs, t) for t in (models.Job, models.Batch, models.Salt)])
    assert kept.FACTS["sha256"] not in told
    assert "session-of-ann" not in told and "holiday" not in told


def test_what_is_older_than_its_days_becomes_totals(tmp_path, clock):
    url = kept.url(tmp_path)
    with ledger.Ledger(url, days=2, clock=clock) as jobs:
        jobs.add(kept.job("a"), kept.FACTS)
        jobs.change("a", {"status": DONE})
        jobs.refusal(429, "x")
        clock.now += 2 * kept.DAY
        jobs.tidy()
        assert jobs.get("a") and kept.rows(jobs, models.Daily) == []
        assert kept.rows(jobs, models.Refusal)
        clock.now += kept.DAY
        jobs.tidy()
        assert jobs.get("a") is None and kept.rows(jobs, models.Daily)


def test_a_ledger_that_cannot_write_says_so(tmp_path):
    url = kept.url(tmp_path)
    with ledger.Ledger(url) as jobs:
        other = sqlite3.connect(tmp_path / "records.sqlite", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with jobs.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA busy_timeout=1")
        with pytest.raises(errors.DiskError, match="database is locked"):
            jobs.add(kept.job("a"), kept.FACTS)
        other.rollback()
        other.close()
        jobs.add(kept.job("a"), kept.FACTS)
        assert jobs.get("a")


def test_the_last_feedback_counts(jobs):
    jobs.add(kept.job("a"), kept.FACTS)
    jobs.feedback("a", -1, "too_smooth")
    jobs.feedback("a", 1, None)
    (row,) = kept.rows(jobs, models.Feedback)
    assert (row["rating"], row["reason"]) == (1, None)
    with pytest.raises(ValueError, match="0 on job a"):
        jobs.feedback("a", 0, None)
    with pytest.raises(ValueError, match="on job b"):
        jobs.feedback("b", 1, None)
    (row,) = kept.rows(jobs, models.Feedback)
    assert row["rating"] == 1


def test_refusals_are_counted_an_hour_and_written_after_a_while(jobs, clock):
    for _ in range(3):
        jobs.refusal(429, "owner_jobs")
    jobs.refusal(503, "queue_full")
    assert kept.rows(jobs, models.Refusal) == []
    clock.now += 11
    jobs.refusal(429, "owner_jobs")
    clock.now += 3600
    jobs.refusal(429, "owner_jobs")
    jobs.flush()
    found = {
        (r["hour"], r["code"]): r["count"] for r in kept.rows(jobs, models.Refusal)
    }
    hour = 20_000 * 24 + 12
    assert found == {(hour, 429): 4, (hour, 503): 1, (hour + 1, 429): 1}
    jobs.flush()
    assert len(kept.rows(jobs, models.Refusal)) == 3


def test_an_id_is_taken_once(jobs):
    jobs.add(kept.job("a"), kept.FACTS)
    with pytest.raises(ValueError, match="job a"):
        jobs.add(kept.job("a", task="sr"), kept.FACTS)
    assert jobs.get("a").task == "denoise"


def test_threads_may_write_at_one_time(jobs):
    def write(owner):
        for number in range(5):
            jobs.add(kept.job(f"{owner}{number}", owner=owner), kept.FACTS)
            jobs.change(f"{owner}{number}", {"status": DONE})

    threads = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(kept.rows(jobs)) == 20 and not jobs.unfinished()
    assert len({row["owner"] for row in kept.rows(jobs)}) == 4


def test_what_sqlite_holds_has_the_type_of_its_column(tmp_path):
    with ledger.Ledger(f"sqlite:///{tmp_path / 'r.sqlite'}") as jobs:
        jobs.add(kept.job("a"), kept.FACTS)
    connection = sqlite3.connect(tmp_path / "r.sqlite")
    with pytest.raises(sqlite3.IntegrityError, match="cannot store TEXT"):
        connection.execute("UPDATE job SET created = 'yesterday'")
    with pytest.raises(sqlite3.IntegrityError, match="status_is_known"):
        connection.execute("UPDATE job SET status = 'lost'")
    connection.close()
    assert (tmp_path / "r.sqlite").stat().st_mode & 0o077 == 0


WRITER = """
import itertools, sys
from serving.records import kept
from jaxrestore.serving.records import ledger
jobs = ledger.Ledger(sys.argv[1])
for number in itertools.count():
    id = f"{sys.argv[2]}-{number}"
    jobs.add(kept.job(id), kept.FACTS)
    print("+", id, flush=True)
    jobs.change(id, {"status": ("done", "running")[number % 2], "tries": 1})
    print("=", id, flush=True)
"""


def _killed(url, turn, lines):
    """What a process acknowledged before it was killed after so many lines."""
    places = f"{ROOT}{os.pathsep}{ROOT / 'tests'}"
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, url, str(turn)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": places},
    )
    told = [writer.stdout.readline() for _ in range(lines)]
    writer.send_signal(signal.SIGKILL)
    told += writer.stdout.readlines()  # what it said before the signal came
    writer.stdout.close()
    assert writer.wait() == -signal.SIGKILL
    return [line.split() for line in told if line.endswith("\n")]


@pytest.mark.parametrize("turns", [3, pytest.param(50, marks=pytest.mark.slow)])
def test_jobs_that_were_acknowledged_survive_a_killed_process(turns, tmp_path):
    url = kept.url(tmp_path)
    told = {}
    for turn in range(turns):
        for sign, id in _killed(url, turn, 1 + 7 * turn % 23):
            told[id] = sign
        with ledger.Ledger(url, existing=True) as jobs:
            for id, sign in told.items():
                found = jobs.get(id)
                assert found is not None, f"{id} is lost"
                ends = ("done", "running")[int(id.partition("-")[2]) % 2]
                known = {ends} if sign == "=" else {"queued", ends}
                assert found.status in known, (id, sign, found.status)
            # One at most a process was begun and not acknowledged.
            assert len(kept.rows(jobs)) <= len(told) + turn + 1
    assert len({id.partition("-")[0] for id in told}) == turns
