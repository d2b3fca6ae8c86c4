"""Processes of few rights in which files of strangers are read and written.

A child that takes too long or too much memory, or that crashes, is killed, and what it
was at fails; the next call has a new one. What is called, its arguments and what it
returns are pickled between our own processes; nothing of a file ever is.
"""

import asyncio
import contextlib
import os
import queue
import time
import traceback
import warnings
from collections.abc import Callable
from concurrent import futures
from multiprocessing import connection, get_context
from typing import Any, NamedTuple

from jaxrestore import errors
from jaxrestore.serving import refusals
from jaxrestore.serving.refusals import Refusal
from jaxrestore.serving.values import Took

_START_S = 60.0  # until a child has imported what it needs, on a busy machine
_ENDING_S = 5.0


class Answer(NamedTuple):
    """What a call returned, and the sentences of which it gave notice."""

    value: Any
    notices: tuple[str, ...] = ()


class Children:
    """So many processes, which wait for calls; each has so many bytes of addresses."""

    def __init__(
        self,
        count: int,
        memory: int,
        *,
        waiting: int = 64,
        watch: Callable[[Took], object] = lambda took: None,
    ):
        """Starts nothing yet; at most `waiting` calls wait for a child.

        `watch` is called, in the event loop, with what each call took, by the name of
        its function.
        """
        self._watch = watch
        self._count, self._memory, self._most = count, memory, count + waiting
        self._threads = futures.ThreadPoolExecutor(count, "children")
        self._idle: queue.SimpleQueue[_Child] = queue.SimpleQueue()
        self._calls = 0
        self._closed = False

    @property
    def calls(self) -> int:
        """How many calls are at work or wait."""
        return self._calls

    async def call(
        self, function: Callable[..., Any], *arguments: Any, seconds: float | int
    ) -> Answer:
        """Returns what a function of a module returns in a child.

        Raises the `errors.UserError` that it raises, and `Refusal`: 503 where too many
        calls wait, 507 where the disk is full, 413 where its memory did not suffice,
        422 where it took more than so many seconds or its process died.
        """
        if self._calls >= self._most:
            raise Refusal(
                503,
                "busy",
                "The server is busy",
                "Too many pictures are being read and written at once; try again in a "
                "few seconds.",
                limit=self._most,
                retry_after=5,
            )
        self._calls += 1
        loop = asyncio.get_running_loop()
        try:
            took, answer = await loop.run_in_executor(
                self._threads, self._timed, function, arguments, seconds
            )
        finally:
            self._calls -= 1
        self._watch(Took(function.__name__, took))
        return answer

    async def warm(self) -> None:
        """Starts the children, so that the first calls do not wait for that."""
        nothing = [self.call(_nothing, seconds=_START_S) for _ in range(self._count)]
        await asyncio.gather(*nothing)

    async def close(self) -> None:
        """Ends the children; those at work are killed once their call is over."""
        self._closed = True
        await asyncio.to_thread(self._threads.shutdown, cancel_futures=True)
        while not self._idle.empty():
            self._idle.get().end()

    def _timed(self, *asked) -> tuple[float, Answer]:
        begun = time.perf_counter()
        answer = self._ask(*asked)
        return time.perf_counter() - begun, answer

    def _ask(self, function, arguments, seconds) -> Answer:
        child = None
        with contextlib.suppress(queue.Empty):
            child = self._idle.get_nowait()
        if child is None or not child.alive:
            child = _Child(self._memory)
        try:
            answer = child.ask(function, arguments, seconds)
        except BaseException:
            child.kill()
            raise
        if self._closed or answer.spent:
            child.end()
        else:
            self._idle.put(child)
        if answer.error is not None:
            raise answer.error
        return Answer(answer.value, answer.notices)


class _Said(NamedTuple):
    """What a child says of a call; one that is `spent` should take no other."""

    value: Any = None
    notices: tuple[str, ...] = ()
    error: Exception | None = None
    spent: bool = False


class _Child:
    """One process, and our end of the pipe to it."""

    def __init__(self, memory: int):
        context = get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(theirs, memory), daemon=True, name="jaxrestore-child"
        )
        self._process.start()
        theirs.close()
        self._receive(_START_S)  # it says once that it is there

    @property
    def alive(self) -> bool:
        return self._process.is_alive()

    def ask(self, function, arguments, seconds) -> _Said:
        try:
            self._pipe.send((function, arguments, seconds))
        except OSError as error:
            raise _died() from error
        return self._receive(seconds)

    def _receive(self, seconds) -> _Said:
        if not self._pipe.poll(seconds):
            self.kill()
            raise Refusal(
                422,
                "too_slow",
                "The picture takes too long",
                f"It could not be done within {seconds:g} s, so it was given up; save "
                "the picture anew, or make it smaller.",
                limit=seconds,
            )
        try:
            return self._pipe.recv()
        except (EOFError, OSError) as error:
            self.kill()
            raise _died() from error

    def kill(self) -> None:
        self._process.kill()
        self._process.join(_ENDING_S)
        self._pipe.close()

    def end(self) -> None:
        self._pipe.close()  # it ends as it reads the next call
        self._process.join(_ENDING_S)
        if self._process.is_alive():
            self._process.kill()


def _died() -> Refusal:
    return Refusal(
        422,
        "unreadable",
        "The picture cannot be read",
        "Its file ended the process that read it, so it was given up; save the picture "
        "anew, as PNG for example.",
    )


def _no_memory() -> Refusal:
    return Refusal(
        413,
        "too_much_memory",
        "The picture needs too much memory",
        "It needs more memory than one picture may take here; make it smaller.",
    )


def _nothing() -> None:
    return None


def _serve(pipe: connection.Connection, memory: int) -> None:
    """Runs in a child: takes calls until the other end of the pipe is closed."""
    _limit(memory)
    try:
        pipe.send(_Said())
        while True:
            try:
                function, arguments, seconds = pipe.recv()
            except MemoryError as error:
                raise SystemExit(1) from error
            _limit_time(seconds)
            pipe.send(_said(function, arguments))
    except (EOFError, OSError, KeyboardInterrupt):
        return


def _said(function, arguments) -> _Said:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", errors.Notice)
        try:
            value = function(*arguments)
        except (MemoryError, errors.OutOfMemoryError):
            return _Said(error=_no_memory(), spent=True)
        except errors.DiskError as error:
            return _Said(error=refusals.no_room(error))
        except errors.UserError as error:
            return _Said(error=_plain(error))
        except Exception:
            return _Said(error=RuntimeError(traceback.format_exc()), spent=True)
    said = (str(w.message) for w in caught if issubclass(w.category, errors.Notice))
    return _Said(value, tuple(said))


def _plain(error: errors.UserError) -> errors.UserError:
    """The error without its cause, which need not be picklable."""
    error.__cause__ = error.__context__ = None
    return error


def _limit(memory: int) -> None:
    """Takes rights away; each limit that this system lacks is left out."""
    import resource
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # that of a terminal is the parent's
    # What libtiff and others print of a stranger's file is nothing for our logs.
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = "1"  # each thread would take addresses
    for which, most in (("AS", memory), ("CORE", 0), ("NOFILE", 64)):
        with contextlib.suppress(AttributeError, ValueError, OSError):
            number = getattr(resource, f"RLIMIT_{which}")
            hard = resource.getrlimit(number)[1]
            most = most if hard == resource.RLIM_INFINITY else min(most, hard)
            resource.setrlimit(number, (most, most))
    with contextlib.suppress(OSError):
        os.nice(5)


def _limit_time(seconds: float | int) -> None:
    """Lets the process have so much more of a processor, should nobody kill it."""
    import resource

    most = int(time.process_time() + seconds) + 2
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CPU, (most, resource.RLIM_INFINITY))
