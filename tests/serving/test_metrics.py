"""What Prometheus reads, by a parser that is its own."""

import pytest
from prometheus_client import parser
from serving.records import kept

from jaxrestore.serving import metrics, values
from jaxrestore.serving.refusals import Refusal

UP = values.EngineStatus(ready=True, alive=True, restarts=2, memory=4096)


def _read(counts, gauges=None, engine=UP, **options):
    """The values of samples, by their names without ours in front, and their labels."""
    content, media_type = counts.page(gauges or {}, engine, **options)
    assert media_type.startswith("text/plain")
    families = parser.text_string_to_metric_families(content.decode())
    return {
        _key(sample.name.removeprefix("jaxrestore_"), **sample.labels): sample.value
        for family in families
        for sample in family.samples
    }


def _key(name, **labels):
    return name, *sorted(labels.items())


def _job(status, **fields):
    return values.Job(**{**vars(kept.job()), "status": status, **fields})


def test_a_job_counts_when_it_has_ended():
    counts = metrics.Metrics()
    counts.job(_job(values.Status.QUEUED))
    counts.job(_job(values.Status.RUNNING))
    numbers = {"queued_s": 0.2, "run_s": 2.0, "tiles": 4, "fill": 0.5, "model": "unet"}
    counts.job(_job(values.Status.DONE, numbers=numbers))
    counts.job(_job(values.Status.DONE, numbers={**numbers, "run_s": 5.0}))
    counts.job(_job(values.Status.FAILED, code="out_of_memory"))
    found = _read(counts)
    jobs = {key: value for key, value in found.items() if key[0] == "jobs_total"}
    assert jobs == {
        _key("jobs_total", task="denoise", model="unet", status="done"): 2,
        _key("jobs_total", task="denoise", model="network", status="failed"): 1,
    }
    assert found[_key("run_seconds_sum", task="denoise")] == 7
    assert found[_key("run_seconds_bucket", task="denoise", le="3.0")] == 1
    assert found[("queue_seconds_count",)] == 2
    assert found[_key("batch_fill_sum", model="unet")] == 1
    assert found[("tiles_total",)] == 8
    assert found[("oom_total",)] == 1


def test_refusals_and_answers_are_counted_by_what_there_is_little_of():
    counts = metrics.Metrics()
    counts.refusal(Refusal(429, "owner_jobs", "Too many", "You have four."))
    for method in ("GET", "GET", "BREW"):
        counts.request("/jobs/{id}", method, 200)
    found = _read(counts)
    assert found[_key("refused_total", code="429", why="owner_jobs")] == 1
    told = {"route": "/jobs/{id}", "code": "200"}
    assert found[_key("http_requests_total", method="GET", **told)] == 2
    assert found[_key("http_requests_total", method="other", **told)] == 1


def test_files_are_counted_by_what_is_done_to_them():
    counts = metrics.Metrics()
    for what, seconds in (("decode", 0.25), ("decode", 0.5), ("unpack", 9.0)):
        counts.took(values.Took(what, seconds))
    found = _read(counts)
    assert found[("decode_seconds_sum",)] == 0.75
    assert found[("encode_seconds_count",)] == 0
    assert not any("unpack" in repr(key) for key in found)


def test_levels_are_those_of_the_moment():
    counts = metrics.Metrics()
    gauges = {"queue_jobs": 3, "spool_bytes": 900, "secret": 1}
    found = _read(counts, gauges, streams=5)
    assert found[("queue_jobs",)] == 3
    assert found[("spool_bytes",)] == 900
    assert found[("sse_open",)] == 5
    assert found[_key("engine_up", device="")] == 1
    assert found[_key("engine_restarts_total", device="")] == 2
    assert found[_key("device_bytes", kind="resident", device="")] == 4096
    assert not any("secret" in key[0] for key in found)
    down = values.EngineStatus(ready=False, alive=False, restarts=3)
    found = _read(counts, engine=down)
    assert found[_key("engine_up", device="")] == found[("queue_jobs",)] == 0
    assert found[_key("engine_restarts_total", device="")] == 3


def test_each_of_several_devices_has_levels_of_its_own():
    counts = metrics.Metrics()
    down = values.EngineStatus(ready=False, alive=False, restarts=3)
    both = values.EngineStatus(ready=True, alive=True, devices={"0": UP, "1": down})
    for _ in range(2):
        found = _read(counts, engine=both)
    for device, up, restarts, memory in (("0", 1, 2, 4096), ("1", 0, 3, 0)):
        assert found[_key("engine_up", device=device)] == up
        assert found[_key("engine_restarts_total", device=device)] == restarts
        held = _key("device_bytes", kind="resident", device=device)
        assert found[held] == memory
    assert _key("engine_up", device="") not in found


def test_two_servers_of_one_process_count_for_themselves():
    first, second = metrics.Metrics(), metrics.Metrics()
    first.request("/", "GET", 200)
    key = _key("http_requests_total", route="/", method="GET", code="200")
    assert key in _read(first) and key not in _read(second)


@pytest.mark.parametrize("word", ["owner", "client", "id", "address"])
def test_nothing_is_labelled_by_who_asked(word):
    counts = metrics.Metrics()
    counts.job(_job(values.Status.DONE, owner="ann", numbers={"model": "unet"}))
    content = counts.page({}, UP)[0].decode()
    assert f"{word}=" not in content and "ann" not in content.replace("channel", "")
