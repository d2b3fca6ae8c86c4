"""What Prometheus is told of the web app: counts, times and levels.

Labels are tasks, models, methods of HTTP and the like, of which there are few; never an
id, a client, or what a client has made up.
"""

from collections.abc import Callable, Mapping
from typing import Any

import prometheus_client as prometheus

from jaxrestore.serving import values
from jaxrestore.serving.refusals import Refusal

_PREFIX = "jaxrestore"
# Levels that are asked for when somebody looks: by name, what `Service.gauges` calls
# them as well.
_LEVELS = {
    "queue_jobs": "Jobs that wait",
    "queue_tiles": "Tiles that wait",
    "engine_up": "1 if the engine takes jobs",
    "spool_bytes": "Bytes of pictures on the disk",
    "sse_open": "Streams of events that are open",
}
_TIMES = {
    "decode": "Seconds to read an upload",
    "run": "Seconds on the device",
    "encode": "Seconds to write a result",
}
_SECONDS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000)


class Metrics:
    """What is counted, in a registry of its own.

    `levels` is called when somebody looks; it returns numbers of now by the names of
    `Service.gauges`, of which the known ones are shown, and perhaps `engine_restarts`
    and `device_bytes`, a mapping by kind.

    >>> told = metrics.Metrics(service.gauges)
    >>> told.job(job)
    >>> content, media_type = told.page()
    """

    def __init__(self, levels: Callable[[], Mapping[str, Any]] = dict):
        """Makes the registry; nothing is counted yet."""
        self._registry = prometheus.CollectorRegistry()
        self._levels = levels
        made = {"namespace": _PREFIX, "registry": self._registry}
        counter = lambda name, text, *labels: prometheus.Counter(
            name, text, labels, **made
        )
        timed = lambda name, text, *labels: prometheus.Histogram(
            name, text, labels, buckets=_SECONDS, **made
        )
        self._jobs = counter("jobs", "Jobs that ended", "task", "model", "status")
        self._refused = counter("refused", "What was refused", "code", "why")
        self._requests = counter(
            "http_requests", "Answers", "route", "method", "code"
        )
        self._tiles = counter("tiles", "Tiles that were restored")
        self._oom = counter("oom", "Jobs for which the memory did not suffice")
        self._compiled = counter("compile", "Programs that were compiled")
        self._compiling = counter("compile_seconds", "Seconds spent compiling")
        self._queued = timed("queue_seconds", "Seconds that jobs waited")
        self._times = {
            name: timed(f"{name}_seconds", text, "task")
            for name, text in _TIMES.items()
        }
        self._fill = prometheus.Summary(
            "batch_fill", "Share of places in a batch that held a tile", ("model",), **made
        )
        self._gauges = {
            name: prometheus.Gauge(name, text, **made) for name, text in _LEVELS.items()
        }
        self._memory = prometheus.Gauge(
            "device_bytes", "Memory of the engine", ("kind",), **made
        )
        self._restarts = counter("engine_restarts", "Times the engine began again")
        self._restarted = 0

    def job(self, job: values.Job) -> None:
        """Counts a job that has ended, and what was measured of it; no other one."""
        if not job.final:
            return
        numbers = job.numbers
        model = numbers.get("model") or job.method
        self._jobs.labels(job.task, model, str(job.status)).inc()
        self._tiles.inc(numbers.get("tiles") or 0)
        if job.code in OUT_OF_MEMORY:
            self._oom.inc()
        if (queued := numbers.get("queued_s")) is not None:
            self._queued.observe(queued)
        for name, histogram in self._times.items():
            if (seconds := numbers.get(f"{name}_s")) is not None:
                histogram.labels(job.task).observe(seconds)
        if (fill := numbers.get("fill")) is not None:
            self._fill.labels(model).observe(fill)

    def refusal(self, refusal: Refusal) -> None:
        """Counts a refusal."""
        self._refused.labels(str(refusal.status), refusal.code).inc()

    def request(self, route: str, method: str, code: int) -> None:
        """Counts an answer; `route` is the pattern that matched, "" if none did.

        A method that HTTP does not have is counted as "other".
        """
        method = method if method in METHODS else "other"
        self._requests.labels(route, method, str(code)).inc()

    def compiled(self, programs: int, seconds: float) -> None:
        """Counts programs that were compiled, and how long it took in all."""
        self._compiled.inc(programs)
        self._compiling.inc(seconds)

    def page(self) -> tuple[bytes, str]:
        """Returns what Prometheus reads, and its media type."""
        levels = self._levels()
        for name, gauge in self._gauges.items():
            if name in levels:
                gauge.set(levels[name])
        for kind, size in levels.get("device_bytes", {}).items():
            self._memory.labels(kind).set(size)
        restarts = int(levels.get("engine_restarts", 0))
        self._restarts.inc(max(restarts - self._restarted, 0))
        self._restarted = max(restarts, self._restarted)
        shown = prometheus.generate_latest(self._registry)
        return shown, prometheus.CONTENT_TYPE_LATEST


METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
OUT_OF_MEMORY = ("device_oom", "out_of_memory")
