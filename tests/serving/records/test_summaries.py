"""Summaries of jobs that are known, and what is kept of old ones."""

import dataclasses

import pytest
from serving.records import kept

from jaxrestore import errors
from jaxrestore.serving import values
from jaxrestore.serving.records import (
    exporting,
    models,
    retention,
    summaries,
    tallies,
)

DONE = {"status": "done"}


def _add(jobs, id, fields, *, facts=None, **of_job):
    jobs.add(kept.job(id, **of_job), {**kept.FACTS, **(facts or {})})
    jobs.change(id, fields)


def _summary(jobs, clock, **options):
    return summaries.summary(jobs.engine, now=clock.now, **options)


def test_of_nothing_there_is_nothing(jobs, clock):
    found = _summary(jobs, clock)
    assert (found["since"], found["until"]) == ("2024-09-05", "2024-10-04")
    tables = ("days", "speed", "models", "errors", "refusals", "quality", "ratings")
    assert found["jobs"] == 0 and all(found[name] == [] for name in tables)


def test_times_are_told_by_task_model_and_size(jobs, clock):
    large = {"width": 4000, "height": 3000}
    for number in range(1, 22):  # 1 to 21 s
        numbers = {"queued_s": number, "run_s": 2.0 * number, "model": "unet"}
        numbers["fill"] = 1.0 if number == 1 else 0.5
        _add(jobs, f"a{number}", {**DONE, "numbers": numbers})
    _add(jobs, "b", {**DONE, "numbers": {"run_s": 9}}, facts=large)
    _add(jobs, "c", {"status": "failed", "numbers": {"run_s": 1000}})
    big, small = _summary(jobs, clock)["speed"]
    assert small == {
        **{"task": "denoise", "method": "network", "model": "unet", "version": ""},
        **{"size": "0.25-1 MP", "jobs": 21, "fill": pytest.approx(11 / 21)},
        **{"queued_p50": 11, "queued_p95": 20, "run_p50": 22, "run_p95": 40},
    }
    assert (big["model"], big["size"], big["run_p50"]) == ("", "4-16 MP", 9)
    assert big["queued_p50"] is None and big["fill"] is None
    (both,) = _summary(jobs, clock, group=["task"])["speed"]
    assert both["jobs"] == 22 and "size" not in both
    with pytest.raises(errors.ConfigError, match="'owner'"):
        _summary(jobs, clock, group=["owner"])


def test_an_old_network_is_told_from_a_new_one_of_the_same_name(jobs, clock):
    old, new = "ab" * 32, "cd" * 32
    for number, weights in enumerate((old, old, new)):
        numbers = {"model": "denoise", "weights": weights, "run_s": number + 1.0}
        numbers |= {"sigma_in": 20.0, "sigma_out": 2.0 + number}
        _add(jobs, f"a{number}", {**DONE, "numbers": numbers})
        jobs.feedback(f"a{number}", 1 if weights == new else -1, None)
    network = values.Network("denoise", "unet", "Apache-2.0", new)
    task = values.TaskInfo("denoise", "Remove noise", "", ("network",))
    jobs.networks([dataclasses.replace(task, networks=(network,))])
    found = _summary(jobs, clock)
    for table, name, told in (
        ("speed", "run_p50", [1.5, 3.0]),
        ("quality", "sigma_out", [2.5, 4.0]),
        ("ratings", "liked", [0, 1]),
        ("models", "jobs", [2, 1]),
    ):
        assert [row["version"] for row in found[table]] == ["ab" * 4, "cd" * 4]
        assert [row[name] for row in found[table]] == told
    known = [(row["architecture"], row["license"]) for row in found["models"]]
    assert known == [("", ""), ("unet", "Apache-2.0")]  # of the first nobody told
    exported = exporting.rows(jobs.engine)
    assert [row["weights"] for row in exported] == [old, old, new]
    assert [row["license"] for row in exported] == [None, None, "Apache-2.0"]
    # Totals are of each.
    assert retention.retire(jobs.engine, now=clock.now + 91 * kept.DAY) == 3
    assert _summary(jobs, clock)["ratings"] == found["ratings"]


def test_days_errors_and_refusals_are_counted_with_their_shares(jobs, clock):
    yesterday = clock.now - kept.DAY
    for number, code in enumerate(["device_oom", "device_oom", "engine_restarted"]):
        _add(jobs, f"f{number}", {"status": "failed", "code": code})
    _add(jobs, "d", DONE, created=yesterday)
    _add(jobs, "c", {"status": "cancelled"}, created=yesterday)
    _add(jobs, "long ago", DONE, created=clock.now - 40 * kept.DAY)
    jobs.add(kept.job("q"), kept.FACTS)  # has not ended, and does not count
    for _ in range(5):
        jobs.refusal(429, "owner_jobs")
    jobs.flush()
    found = _summary(jobs, clock)
    none = {"cancelled": 0, "done": 0, "expired": 0, "failed": 0, "refused": 0}
    assert found["days"] == [
        {**none, "day": "2024-10-03", "done": 1, "cancelled": 1},
        {**none, "day": "2024-10-04", "failed": 3, "refused": 5},
    ]
    assert found["jobs"] == 5
    assert found["errors"] == [
        {"code": "device_oom", "jobs": 2, "share": 2 / 5},
        {"code": "engine_restarted", "jobs": 1, "share": 1 / 5},
    ]
    (refused,) = found["refusals"]
    assert refused == {"code": 429, "why": "owner_jobs", "count": 5, "share": 0.5}
    assert _summary(jobs, clock, days=1)["jobs"] == 3
    assert _summary(jobs, clock, days=41)["jobs"] == 6


def test_quality_before_and_after_and_what_people_think(jobs, clock):
    for number, sigma in enumerate((20.0, 30.0, 70.0)):
        numbers = {"sigma_in": sigma, "sigma_out": sigma / 10, "blockiness_in": 1}
        _add(jobs, f"a{number}", {**DONE, "numbers": numbers})
    _add(jobs, "b", {**DONE, "numbers": {"sigma_in": 500.0}})  # nothing to compare
    jobs.feedback("a0", 1, None)
    jobs.feedback("a1", 1, None)
    jobs.feedback("b", -1, "too_smooth")
    found = _summary(jobs, clock)
    (row,) = found["quality"]
    assert (row["task"], row["jobs"]) == ("denoise", 3)
    assert (row["sigma_in"], row["sigma_out"]) == (30.0, 3.0)
    assert row["blockiness_in"] == 1 and row["sharpness_out"] is None
    (rated,) = found["ratings"]
    assert (rated["liked"], rated["disliked"]) == (2, 1)
    assert rated["share"] == pytest.approx(2 / 3)


@pytest.mark.parametrize("part", [1, 2, 5])
def test_parts_in_which_jobs_are_read_change_nothing(jobs, clock, monkeypatch, part):
    for number in range(5):
        numbers = {"run_s": float(number), "model": "ab"[number % 2]}
        _add(jobs, f"{number}", {**DONE, "numbers": numbers})
        jobs.feedback(f"{number}", 1, None)
    whole = _summary(jobs, clock)
    monkeypatch.setattr(tallies, "_PART", part)
    assert _summary(jobs, clock) == whole and whole["jobs"] == 5


def test_after_90_days_totals_are_left_and_a_second_call_changes_nothing(jobs, clock):
    then, today = clock.now, clock.now
    for number in (1, 3):
        _add(jobs, f"a{number}", {**DONE, "numbers": {"run_s": number}})
    _add(jobs, "b", {"status": "failed", "code": "x"})
    jobs.add(kept.job("q"), kept.FACTS)
    jobs.feedback("a1", 1, None)
    jobs.refusal(503, "queue_full")
    clock.now += 3600
    jobs.refusal(503, "queue_full")
    jobs.flush()
    today += 91 * kept.DAY
    _add(jobs, "new", DONE, created=today)
    before = summaries.summary(jobs.engine, now=then)
    assert retention.retire(jobs.engine, now=today) == 3
    assert {row["id"] for row in kept.rows(jobs, models.Job)} == {"q", "new"}
    assert kept.rows(jobs, models.Feedback) == []
    done, failed = sorted(kept.rows(jobs, models.Daily), key=lambda row: row["status"])
    assert (done["jobs"], done["liked"], done["size"]) == (2, 1, "0.25-1 MP")
    assert (done["run_p50"], done["queued_p50"]) == (2.0, None)
    assert (failed["jobs"], failed["day"]) == (1, 20_000)
    (refused,) = kept.rows(jobs, models.Refusal)
    assert (refused["hour"], refused["count"]) == (20_000 * 24, 2)
    after = summaries.summary(jobs.engine, now=then)
    for table in ("days", "ratings", "refusals"):
        assert after[table] == before[table], table
    assert retention.retire(jobs.engine, now=today) == 0
    # One that ended long after it was ordered is added to its day.
    jobs.change("q", DONE)
    assert retention.retire(jobs.engine, now=today) == 1
    done, _ = sorted(kept.rows(jobs, models.Daily), key=lambda row: row["status"])
    assert (done["jobs"], done["run_p50"]) == (3, 2.0)


def test_what_is_90_days_old_is_kept(jobs, clock):
    _add(jobs, "a", DONE, created=clock.now)
    assert retention.retire(jobs.engine, now=clock.now + 90 * kept.DAY) == 0
    assert retention.retire(jobs.engine, now=clock.now + 91 * kept.DAY) == 1
