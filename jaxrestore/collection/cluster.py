"""A plan carried out by Ray Data: the only place that knows of Ray.

Rows are lines of text: entries of the plan on the way in, what became of them on the
way out. The order in which they come back is that in which they are done.
"""

import contextlib
import functools
import logging
import os
import secrets
import socket
from collections.abc import Generator, Iterator, Mapping
from typing import Any

from jaxrestore import errors
from jaxrestore.collection import keys, listing
from jaxrestore.collection import worker as workers_

_CORES = 0.5  # of a worker, as Ray counts: what lists for it has to fit in beside it


def run(
    plan: listing.Plan,
    job: workers_.Job,
    table: keys.Table,
    *,
    address: str | None = None,
    workers: int | None = None,
) -> Generator[list[str], None, None]:
    """Yields what became of the pictures of a plan, lines of `Told`, as it becomes so.

    On the cluster at an `address`, as Ray has it, such as "auto", or on one that is
    begun on this machine and ended. There are as many `workers` as the cluster has GPUs
    or, without any, machines, unless it is said. A worker that ends, or whose machine
    does, is begun again elsewhere, with the pictures that it has not told of.

    Raises `ConfigError` where Ray is not installed, cannot be reached, or has fewer
    GPUs than `workers`; and as `worker.Worker`.
    """
    with _connected(address) as ray:
        gpus = int(ray.cluster_resources().get("GPU", 0))
        if gpus and workers and workers > gpus:
            raise errors.ConfigError(
                f"there are {gpus} GPUs for {workers} `workers`; each needs one"
            )
        alive = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        nodes = sum(resources.get("CPU", 0) > 0 for resources in alive)
        count = workers or gpus or nodes
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        context.print_on_execution_start = False
        # A part of large pictures may take longer than the half hour of the default.
        context.execution_no_progress_timeout_s = -1
        parts = [str(part) for part in plan.parts]
        told = ray.data.read_text(
            parts, override_num_blocks=len(parts), num_cpus=_CORES / 2
        ).map_batches(
            _Actor,
            fn_constructor_args=[job, ray.put(table)],
            batch_size=listing.LINES,
            batch_format="numpy",
            compute=ray.data.ActorPoolStrategy(size=count),
            num_cpus=_CORES,
            num_gpus=1 if gpus else 0,
        )
        for batch in told.iter_batches(batch_size=None, batch_format="numpy"):
            for name, text in zip(batch["error"], batch["text"], strict=True):
                if name:
                    raise getattr(errors, name)(text)
            yield batch["text"].tolist()


class _Actor:
    """A `worker.Worker` as Ray Data calls it, on a "text" column.

    An error that ends the run is a row too, with its class as "error": of one that is
    raised Ray passes on a string.
    """

    def __init__(self, job: workers_.Job, table: Any):
        # The table is shared by all workers of a machine, not copied.
        self._worker = workers_.Worker(job, _ray().get(table))

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[str]]:
        try:
            told = self._worker(batch["text"].tolist())
        except errors.UserError as error:
            return {"text": [str(error)], "error": [type(error).__name__]}
        return {"text": told, "error": [""] * len(told)}


@contextlib.contextmanager
def _connected(address: str | None) -> Iterator[Any]:
    """Yields Ray, connected; a cluster of our own asks others for a secret."""
    with _variables(_OURS if address is None else _ALL):
        ray = _ray()
        try:
            _knock(address or "")
            with _silenced():
                ray.init(
                    address or "local",
                    include_dashboard=False if address is None else None,
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                )
        except (OSError, RuntimeError, ValueError) as error:
            raise errors.ConfigError(
                f"Ray cannot be reached at `address` {address or 'local'} "
                f"({error!s:.200}); give that of a cluster's head, such as "
                "10.0.0.1:6379, and its token as RAY_AUTH_TOKEN, or leave it out"
            ) from error
        try:
            yield ray
        finally:
            ray.shutdown()


# Ray Data's actors make Ray say "error" of what is none; real ones come as exceptions.
_ALL = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_BACKEND_LOG_LEVEL": "fatal"}
_OURS = {**_ALL, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": ""}


@functools.cache
def _secret() -> str:
    """One for this process, since Ray reads its token once."""
    return secrets.token_hex(32)


@contextlib.contextmanager
def _variables(wanted: Mapping[str, str]) -> Iterator[None]:
    """Sets those of these variables that are not set, for a while; "" is a secret."""
    missing = [name for name in wanted if name not in os.environ]
    try:
        for name in missing:
            os.environ[name] = wanted[name] or _secret()
        yield
    finally:
        for name in missing:
            del os.environ[name]


def _knock(address: str) -> None:
    """Raises `OSError` where nobody answers at HOST:PORT, for which Ray would wait."""
    host, _, port = address.rpartition(":")
    if port.isdecimal() and "/" not in host:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()


@contextlib.contextmanager
def _silenced() -> Iterator[None]:
    """Keeps from the terminal what Ray's code in C++ says of its own settings."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _ray() -> Any:
    try:
        import ray  # pyright: ignore[reportMissingImports]
        import ray.data  # pyright: ignore[reportMissingImports]

        logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    except ImportError as error:
        raise errors.ConfigError(
            f"collections are restored by Ray Data, which is not here ({error}); "
            "pip install 'jaxrestore[ray]'"
        ) from error
    return ray
