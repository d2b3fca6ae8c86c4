"""What Prometheus is told of the web app: counts, times and levels.

Labels are tasks, models, methods of HTTP and the like, of which there are few; never an
id, a client, or what a client has made up.
"""

from collections.abc import Mapping

import prometheus_client as prometheus

from jaxrestore.serving import values
from jaxrestore.serving.refusals import Refusal

_PREFIX = "jaxrestore"
# What is so now, by the names of `Lifecycle.gauges` and a few more.
_LEVELS = {
    "queue_jobs": "Jobs that wait",
    "queue_pixels": "Pixels of jobs that wait",
    "running_jobs": "Jobs on the device",
    "images": "Uploads that are kept",
    "batches": "Batches that are kept",
    "files_at_work": "Image files that are read or written",
    "spool_bytes": "Bytes of pictures on the disk",
    "sse_open": "Streams of events that are open",
}
_FILES = {
    "decode": "Seconds to read an upload",
    "encode": "Seconds to write a result",
}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
OUT_OF_MEMORY = "out_of_memory"  # the code of a job
_SECONDS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000)


class Metrics:
    """What is counted, in a registry of its own.

    >>> counts = metrics.Metrics()
    >>> counts.job(job)
    >>> content, media_type = counts.page(service.gauges(), service.engine.status)
    """

    def __init__(self):
        """Counts nothing yet."""
        self._registry = prometheus.CollectorRegistry()
        made = {"namespace": _PREFIX, "registry": self._registry}
        counter = lambda name, text, *labels: prometheus.Counter(
            name, text, labels, **made
        )
        timed = lambda name, text, *labels: prometheus.Histogram(
            name, text, labels, buckets=_SECONDS, **made
        )
        self._jobs = counter("jobs", "Jobs that ended", "task", "model", "status")
        self._refused = counter("refused", "What was refused", "code", "why")
        self._requests = counter("http_requests", "Answers", "route", "method", "code")
        self._tiles = counter("tiles", "Tiles that were restored")
        self._oom = counter("oom", "Jobs for which the memory did not suffice")
        self._queued = timed("queue_seconds", "Seconds that jobs waited")
        self._run = timed("run_seconds", "Seconds on the device", "task")
        self._files = {
            name: timed(f"{name}_seconds", text) for name, text in _FILES.items()
        }
        self._fill = prometheus.Summary(
            "batch_fill",
            "Share of places in a batch that held a tile",
            ("model",),
            **made,
        )
        self._gauges = {
            name: prometheus.Gauge(name, text, **made) for name, text in _LEVELS.items()
        }
        # Of several devices each; the label of the only one is empty.
        level = lambda name, text, *labels: prometheus.Gauge(name, text, labels, **made)
        self._up = level("engine_up", "1 if the engine takes jobs", "device")
        self._memory = level("device_bytes", "Memory of the engine", "kind", "device")
        self._restarts = counter(
            "engine_restarts", "Times the engine began again", "device"
        )
        self._restarted: dict[str, int] = {}

    def job(self, job: values.Job) -> None:
        """Counts a job that has ended, and what was measured of it; no other one."""
        if not job.final:
            return
        numbers = job.numbers
        model = numbers.get("model") or job.method
        self._jobs.labels(job.task, model, str(job.status)).inc()
        self._tiles.inc(numbers.get("tiles") or 0)
        if job.code == OUT_OF_MEMORY:
            self._oom.inc()
        if (queued := numbers.get("queued_s")) is not None:
            self._queued.observe(queued)
        if (seconds := numbers.get("run_s")) is not None:
            self._run.labels(job.task).observe(seconds)
        if (fill := numbers.get("fill")) is not None:
            self._fill.labels(model).observe(fill)

    def took(self, took: values.Took) -> None:
        """Counts how long an upload took to be read, or a result to be written."""
        if took.what in self._files:
            self._files[took.what].observe(took.seconds)

    def refusal(self, refusal: Refusal) -> None:
        """Counts a refusal."""
        self._refused.labels(str(refusal.status), refusal.code).inc()

    def request(self, route: str, method: str, code: int) -> None:
        """Counts an answer; `route` is the pattern that matched, "" if none did.

        A method that HTTP does not have is counted as "other".
        """
        method = method if method in METHODS else "other"
        self._requests.labels(route, method, str(code)).inc()

    def page(
        self,
        gauges: Mapping[str, int | float],
        engine: values.EngineStatus,
        *,
        streams: int = 0,
    ) -> tuple[bytes, str]:
        """Returns what Prometheus reads, and its media type.

        `gauges` are those of the service, of which known names are shown; `streams` is
        how many streams of events are open.
        """
        now = {**gauges, "sse_open": streams}
        for name, gauge in self._gauges.items():
            gauge.set(now.get(name, 0))
        for device, one in (engine.devices or {"": engine}).items():
            self._up.labels(device).set(one.ready)
            self._memory.labels("resident", device).set(one.memory)
            before = self._restarted.get(device, 0)
            self._restarts.labels(device).inc(max(one.restarts - before, 0))
            self._restarted[device] = max(one.restarts, before)
        shown = prometheus.generate_latest(self._registry)
        return shown, prometheus.CONTENT_TYPE_LATEST
