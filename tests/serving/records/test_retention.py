"""Whatever jobs there were: totals say of them what they said themselves."""

import collections

import hypothesis
import numpy as np
import sqlalchemy as sa
from hypothesis import strategies as st
from serving.records import kept

from jaxrestore.serving import values
from jaxrestore.serving.records import databases, models, retention, rows, summaries

FIRST, DAYS = 20_000, 4
JOB = st.fixed_dictionaries(
    {
        "created": st.floats(FIRST * kept.DAY, (FIRST + DAYS) * kept.DAY - 1),
        "task": st.sampled_from(["denoise", "jpeg"]),
        "method": st.sampled_from(["network", "prior"]),
        "model": st.sampled_from([None, "denoise"]),
        "weights": st.sampled_from([None, "a" * 64, "b" * 64]),
        "status": st.sampled_from([str(status) for status in values.Status]),
        "code": st.sampled_from([None, "device_oom"]),
        "in_width": st.sampled_from([None, 10, 500, 501, 6000]),
        "run_s": st.none() | st.floats(0, 100),
        "rating": st.sampled_from([None, 1, -1]),
    }
)
REFUSALS = st.dictionaries(
    st.tuples(
        st.integers(FIRST * 24, (FIRST + DAYS) * 24 - 1),
        st.sampled_from([429, 503]),
        st.sampled_from(["owner_jobs", "queue_full"]),
    ),
    st.integers(1, 99),
    max_size=8,
)
KEY = ("task", "method", "weights", "status")


def filled(jobs, made, refused):
    """Writes these jobs and refusals into a ledger, and nothing else."""
    blank = rows.of_job(kept.job("none"), kept.FACTS)
    columns = [c.name for c in models.Job.__table__.c]
    of_jobs, rated = [], []
    for id, job in enumerate(made):
        row = {**dict.fromkeys(columns), **blank, **job, "id": f"{id}"}
        row |= {"in_height": 500, "owner": None, "expires": job["created"]}
        rating = row.pop("rating")
        of_jobs.append(row)
        if rating is not None:
            fields = {"job_id": f"{id}", "rating": rating, "reason": None}
            rated.append({**fields, "at": job["created"]})
    counted = [
        {"hour": hour, "code": code, "why": why, "count": count}
        for (hour, code, why), count in refused.items()
    ]
    with databases.writing(jobs.engine) as connection:
        for table in (models.Feedback, models.Job, models.Refusal, models.Daily):
            connection.execute(sa.delete(table))
        tables = (models.Job, models.Feedback, models.Refusal)
        for table, found in zip(tables, (of_jobs, rated, counted), strict=True):
            if found:
                connection.execute(sa.insert(table), found)


@hypothesis.settings(
    max_examples=25,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture],
)
@hypothesis.given(
    made=st.lists(JOB, max_size=25),
    refused=REFUSALS,
    cuts=st.lists(st.integers(0, DAYS + 1), min_size=1, max_size=3),
)
def test_totals_say_what_jobs_said(jobs, made, refused, cuts):
    filled(jobs, made, refused)
    now = (FIRST + DAYS - 0.5) * kept.DAY
    told = lambda: summaries.summary(jobs.engine, now=now, days=DAYS)
    before, retired = told(), 0
    for cut in cuts:  # the server tidies on several days, whichever
        retired += retention.retire(
            jobs.engine, now=float(FIRST + cut) * kept.DAY, days=0
        )
        after = told()
        for table in ("jobs", "days", "ratings", "refusals"):
            assert after[table] == before[table], table
    until = (FIRST + max(cuts)) * kept.DAY
    ended = [job for job in made if job["status"] in values.FINAL]
    gone = [job for job in ended if job["created"] < until]
    assert retired == len(gone)
    assert len(kept.rows(jobs)) == len(made) - len(gone)
    wanted = collections.Counter(tuple(job[k] or "" for k in KEY) for job in gone)
    totals, found = kept.rows(jobs, models.Daily), collections.Counter()
    for row in totals:
        found[tuple(row[k] for k in KEY)] += row["jobs"]
    assert found == wanted
    for row in totals:
        assert (row["run_p50"] is None) == (row["run_p95"] is None)
    if len(totals) == 1:
        times = [job["run_s"] for job in gone if job["run_s"] is not None]
        median = float(np.median(times)) if times else None
        assert totals[0]["run_p50"] == median
