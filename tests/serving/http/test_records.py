"""The records of a server over HTTP: tables, rows, plots and what Prometheus reads."""

import asyncio
import csv
import io

import pytest
from prometheus_client import parser
from serving.http import whole
from serving.records import kept

from jaxrestore.serving.http import recorded
from jaxrestore.serving.records import ledger, summaries


@pytest.fixture
def ask(tmp_path):
    """`ask(*paths)` -> the answers of a server that has done two jobs."""
    clock = kept.Clock()
    settings = whole.settings(tmp_path)
    with ledger.Ledger(settings.database_url, clock=clock) as jobs:
        for id in ("a" * 32, "b" * 32):
            jobs.add(kept.job(id, owner="session-of-ann"), kept.FACTS)
            jobs.change(id, {"status": "done", "numbers": {"run_s": 1.5}})
        jobs.refusal(429, "owner_jobs")
        made = whole.app(settings)
        made.state.records = recorded.Records(jobs, clock)

        async def asking(paths):
            async with whole.client(made) as to:
                return [await to.get(path) for path in paths]

        yield lambda *paths: asyncio.run(asking(paths))


def test_tables_rows_and_plots_are_those_of_the_ledger(ask):
    root = "/api/v1/records"
    tables, short, rows, plot = ask(
        f"{root}/summary?days=7",
        f"{root}/summary?group=task",
        f"{root}.csv",
        f"{root}/plots/times.svg?dark=true",
    )
    found = tables.json()
    assert found["jobs"] == 2 and found["refusals"][0]["why"] == "owner_jobs"
    assert [*found["speed"][0]][:5] == [*summaries.GROUPS]
    assert [*short.json()["speed"][0]][:2] == ["task", "jobs"]
    assert rows.headers["content-type"].startswith("text/csv")
    told = [*csv.DictReader(io.StringIO(rows.text))]
    assert [row["run_s"] for row in told] == ["1.5", "1.5"]
    assert plot.headers["content-type"] == "image/svg+xml"
    assert plot.text.startswith("<svg") and "style" not in plot.text
    for answer in (tables, rows, plot):
        assert "session-of-ann" not in answer.text and "a" * 32 not in answer.text


def test_what_there_is_not_is_a_problem(ask, tmp_path):
    for answer in ask(
        "/api/v1/records/plots/secrets.svg",
        "/api/v1/records/summary?days=0",
        "/api/v1/records/summary?group=owner",
    ):
        assert answer.status_code == 422
        assert answer.headers["content-type"] == "application/problem+json"


def test_prometheus_reads_what_was_answered(ask):
    _, page = ask("/healthz", "/metrics")
    families = parser.text_string_to_metric_families(page.text)
    (answers,) = [f for f in families if f.name == "jaxrestore_http_requests"]
    (sample,) = [s for s in answers.samples if s.name.endswith("_total")]
    assert sample.labels == {"route": "/healthz", "method": "GET", "code": "200"}
    assert sample.value == 1
