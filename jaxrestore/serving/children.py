"""Processes of few rights in which files of strangers are read and written.

A child that takes too long or too much memory, or that crashes, is killed, and what it
was at fails; the next call has a new one. It is told by pickle what to call, and
answers in JSON, or bytes: a file that took hold of a child could not make us run
anything.
"""

import asyncio
import contextlib
import json
import os
import queue
import time
import traceback
import warnings
from collections.abc import Callable, Sequence
from concurrent import futures
from multiprocessing import connection, get_context
from typing import Any, NamedTuple

from jaxrestore import errors
from jaxrestore.serving import refusals
from jaxrestore.serving.refusals import Refusal
from jaxrestore.serving.values import Took

_START_S = 60.0  # until a child has imported what it needs, on a busy machine
_ENDING_S = 5.0
_MOST_BYTES = 2**24  # of an answer
_MOST_CONTENT = 2**30  # of one of bytes


class Answer(NamedTuple):
    """What a call returned, bytes or as JSON has it (so lists), and its notices."""

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

        That is a value of JSON, or bytes. Raises the `Refusal` that it raises, and
        those of its own: 422 for another `errors.UserError`, and where it took more
        than so many seconds or its process died, 413 where its memory did not suffice,
        503 where too many calls wait, 507 where the disk is full.
        """
        if self._calls >= self._most:
            raise refusals.busy(self._most)
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
            said = child.ask(function, arguments, seconds)
        except BaseException:
            child.kill()
            raise
        if self._closed or said.spent:
            child.end()
        else:
            self._idle.put(child)
        if said.refusal is not None:
            raise Refusal(*said.refusal)
        if said.bug is not None:
            raise RuntimeError(said.bug)
        return Answer(said.value, tuple(said.notices))


class _Said(NamedTuple):
    """What a child says of a call; one that is `spent` should take no other.

    `refusal` has the arguments of a `Refusal`, and `bug` the lines of a traceback. A
    value of bytes comes behind it, so many as `follow`.
    """

    value: Any = None
    notices: Sequence[str] = ()
    refusal: Sequence[Any] | None = None
    bug: str | None = None
    spent: bool = False
    follow: int | None = None


class _Child:
    """One process, and our end of the pipe to it."""

    def __init__(self, memory: int):
        context = get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(theirs, memory), daemon=True, name="jaxrestore-child"
        )
        try:
            self._process.start()
            theirs.close()
            self._receive(_START_S)  # it says once that it is there
        except (OSError, Refusal) as error:
            raise refusals.busy(None) from error

    @property
    def alive(self) -> bool:
        return self._process.is_alive()

    def ask(self, function, arguments, seconds) -> _Said:
        try:
            self._pipe.send((function, arguments, seconds))
        except OSError as error:
            raise refusals.died() from error
        return self._receive(seconds)

    def _receive(self, seconds) -> _Said:
        try:
            said = _Said(*json.loads(self._message(seconds, _MOST_BYTES)))
            if said.follow is None:
                return said
            most = min(said.follow, _MOST_CONTENT)
            return said._replace(value=self._message(seconds, most))
        except (EOFError, OSError, ValueError, TypeError) as error:
            self.kill()
            raise refusals.died() from error

    def _message(self, seconds, most) -> bytes:
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
        return self._pipe.recv_bytes(most)

    def kill(self) -> None:
        self._process.kill()
        self._process.join(_ENDING_S)
        self._pipe.close()

    def end(self) -> None:
        self._pipe.close()  # it ends as it reads the next call
        self._process.join(_ENDING_S)
        if self._process.is_alive():
            self._process.kill()


def _nothing() -> None:
    return None


def _serve(pipe: connection.Connection, memory: int) -> None:
    """Runs in a child: takes calls until the other end of the pipe is closed."""
    _limit(memory)
    try:
        _say(pipe, _Said())
        while True:
            function, arguments, seconds = pipe.recv()
            _limit_time(seconds)
            _say(pipe, _called(function, arguments))
    except (EOFError, OSError, KeyboardInterrupt):
        return


def _say(pipe: connection.Connection, said: _Said) -> None:
    content = said.value
    if not isinstance(content, bytes):
        return pipe.send_bytes(json.dumps(said).encode())
    told = said._replace(value=None, follow=len(content))
    pipe.send_bytes(json.dumps(told).encode())
    pipe.send_bytes(content)


def _called(function, arguments) -> _Said:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", errors.Notice)
        try:
            value = function(*arguments)
            if not isinstance(value, bytes):
                json.dumps(value)  # else it is a bug, and told so
        except (MemoryError, errors.OutOfMemoryError):
            return _Said(refusal=refusals.no_memory().arguments, spent=True)
        except Exception as error:
            refused = _refused(error)
            if refused is None:
                return _Said(bug=traceback.format_exc(), spent=True)
            return _Said(refusal=refused)
    said = [str(w.message) for w in caught if issubclass(w.category, errors.Notice)]
    return _Said(value, said)


def _refused(error: Exception) -> Sequence[Any] | None:
    """The arguments of the refusal that an error means; None for a bug."""
    if isinstance(error, Refusal):
        return error.arguments
    found = refusals.no_room(error)
    if found is None and isinstance(error, errors.UserError):
        found = Refusal(422, "unfit", "This cannot be done", str(error))
    return None if found is None else found.arguments


def _limit(memory: int) -> None:
    """Takes rights away; each limit that this system lacks is left out."""
    import resource
    import signal

    # Those of a terminal are the parent's.
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    # What libtiff and others print of a stranger's file is nothing for our logs.
    with contextlib.suppress(OSError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
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
