"""The web process's side of the engine: starts it, watches it, starts it again."""

import asyncio
import collections
import contextlib
import logging
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from jaxrestore import errors
from jaxrestore.serving import values
from jaxrestore.serving.engine import messages
from jaxrestore.serving.settings import Settings

_LOG = logging.getLogger(__name__)
_FIRST_S, _LONGEST_S = 0.2, 30.0  # before a start after a death
_DEAF = 6  # heartbeats' time without one, and the process is killed
_WORKER = "jaxrestore.serving.engine.worker"
_VISIBLE = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES")


class Engine:
    """Restores pictures in a process of its own, which it replaces when that dies.

    A `contracts.Engine`. Orders beyond `settings.slots` wait here for their turn, and
    so do all others while one runs that is `alone`. Jobs that ran when the process died
    are told as `values.Died`.
    """

    def __init__(
        self,
        settings: Settings,
        told: Callable[[values.Event], object],
        device: str | None = None,
    ):
        """Starts nothing yet; `told` is called in the event loop.

        `device` is the one of `settings.devices` that the process sees; all if None.
        """
        self._settings, self._told, self._device = settings, told, device
        self._waiting: collections.deque[values.Order] = collections.deque()
        self._running: dict[str, values.Order] = {}
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._ready: values.Ready | None = None
        self._heard, self._memory, self._restarts = 0.0, 0, 0
        self._alive = self._is_ready = self._useful = self._ending = False
        self._idle = asyncio.Event()

    @property
    def status(self) -> values.EngineStatus:
        """How it is now; asking costs nothing."""
        ready = self._ready
        return values.EngineStatus(
            ready=self._is_ready and not self._deaf(1),
            alive=self._alive,
            restarts=self._restarts,
            heartbeat_age_s=time.monotonic() - self._heard if self._heard else 0.0,
            device=ready.device if ready else "",
            tasks=ready.tasks if ready else (),
            running=len(self._running) + len(self._waiting),
            slots=self._settings.slots,
            memory=self._memory,
        )

    @property
    def pid(self) -> int | None:
        """The process that restores; None while there is none."""
        return self._process.pid if self._process and self._alive else None

    async def start(self) -> None:
        """Begins to warm up, and returns before it has; `values.Ready` tells."""
        self._ending = False
        self._keeper = asyncio.create_task(self._keep())

    async def stop(self, drain_s: float) -> None:
        """Ends; jobs that run have so many seconds to come to their end.

        Of those that have not, and of those that wait, nothing is told.
        """
        self._ending = True
        self._waiting.clear()
        if self._running and self._alive:
            self._idle.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._idle.wait(), drain_s)
        self._kill()
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)

    def submit(self, order: values.Order) -> None:
        """Takes an order; `values.Ended` or `values.Died` tells what became of it."""
        self._waiting.append(order)
        self._hand_out()

    def cancel(self, job: str) -> None:
        """Ends a job within a tile, and tells; of an unknown one nothing."""
        if job in self._running:
            self._say(messages.Cancel(job))
            return
        for order in [one for one in self._waiting if one.job == job]:
            self._waiting.remove(order)
            ended = values.Ended(job, values.Status.CANCELLED)
            asyncio.get_running_loop().call_soon(self._tell, ended)

    def finish(self, job: str) -> None:
        """Ends a prior's fit, whose best picture so far is the result: `DONE`."""
        if job in self._running:
            self._say(messages.Finish(job))

    def _hand_out(self):
        """Gives the process what it may work at."""
        while self._waiting and self._is_ready and self._alive and not self._ending:
            beside = [self._waiting[0], *self._running.values()]
            if self._running and any(order.alone for order in beside):
                return
            if len(self._running) >= self._settings.slots:
                return
            order = self._waiting.popleft()
            self._running[order.job] = order
            self._say(order)

    def _say(self, message):
        if self._process is not None and self._process.stdin is not None:
            # A pipe that has broken is noticed by whoever reads the other one.
            with contextlib.suppress(ConnectionError, RuntimeError):
                self._process.stdin.write(messages.line(message))

    async def _keep(self):
        delay = _FIRST_S
        while not self._ending:
            self._useful = False
            try:
                await self._live()
            except (OSError, ValueError, errors.UserError) as error:
                self._complain("the engine's process is lost", error)
            finally:
                self._bury()
            if self._ending:
                return
            _LOG.warning("the engine's process has ended, and another one begins")
            self._restarts += 1
            delay = _FIRST_S if self._useful else min(2 * delay, _LONGEST_S)
            await asyncio.sleep(delay)

    async def _live(self):
        """Starts a process and listens to it until it ends."""
        settings = self._settings
        _private(settings.programs_folder)
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", _WORKER),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=_environment(settings, self._device),
            limit=messages.LONGEST,
            # An interrupt at the terminal is the server's. A session of its own would
            # be a group of Linux's autogroup, with half of the processors however nice.
            process_group=0,
        )
        self._alive, self._heard = True, time.monotonic()
        begin = messages.Begin(
            settings.models,
            settings.slots,
            settings.priority,
            settings.run_s,
            settings.idle_release_s,
        )
        self._say(begin)
        watch = asyncio.create_task(self._watch())
        try:
            assert self._process.stdout is not None
            async for line in self._process.stdout:
                self._heard_of(messages.read(line))
        finally:
            watch.cancel()
            self._kill()
            await self._process.wait()

    async def _watch(self):
        """Kills a process that has said nothing for long.

        Looks are counted, not seconds: where this process itself stood still, nothing
        was heard either.
        """
        heard, silent = self._heard, 0
        while silent < 4 * _DEAF:
            await asyncio.sleep(self._settings.heartbeat_s / 4)
            silent = silent + 1 if heard == self._heard else 0
            heard = self._heard
        self._kill()

    def _deaf(self, times):
        return time.monotonic() - self._heard > times * self._settings.heartbeat_s

    def _heard_of(self, event):
        self._heard = time.monotonic()
        if isinstance(event, values.Ready):
            self._ready, self._is_ready = event, True
        elif isinstance(event, values.Beat):
            self._memory = event.memory
        elif isinstance(event, values.Ended):
            self._running.pop(event.job, None)
            self._useful = True
            if not self._running:
                self._idle.set()
        self._tell(event)
        self._hand_out()

    def _tell(self, event):
        try:
            self._told(event)
        except Exception as error:
            self._complain(f"nobody took {event}", error)

    def _complain(self, message, error):
        said = {"message": message, "exception": error}
        asyncio.get_running_loop().call_exception_handler(said)

    def _bury(self):
        """Tells of the jobs that ran when the process ended, or was ended."""
        self._alive = self._is_ready = False
        self._memory = 0
        died, self._running = [*self._running], {}
        self._idle.set()
        if self._ending:
            return
        for job in died:
            self._tell(values.Died(job))

    def _kill(self):
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()


def _private(folder: Path) -> None:
    """Makes the folder of compiled programs, which nobody else may write into."""
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(OSError):
        folder.chmod(0o700)


def _environment(settings: Settings, device: str | None) -> dict[str, str]:
    """That of the server; jax keeps what it compiles, and this package is found."""
    known = dict(os.environ)
    if device is not None:
        known = _seeing(device, known)
    if "JAX_COMPILATION_CACHE_DIR" not in known:
        known["JAX_COMPILATION_CACHE_DIR"] = str(settings.programs_folder)
        known["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
    if settings.idle_release_s is not None:
        # Else jax keeps most of an accelerator's memory whatever is let go.
        known.setdefault("XLA_PYTHON_CLIENT_ALLOCATOR", "platform")
    home = str(Path(errors.__file__).parents[1])
    known["PYTHONPATH"] = os.pathsep.join(filter(None, [home, known.get("PYTHONPATH")]))
    return known


def _seeing(device: str, known: Mapping[str, str]) -> dict[str, str]:
    """The environment in which a process sees this device alone.

    A number counts those that the server itself sees, else those of the machine.
    """
    given = next((known[name] for name in _VISIBLE if known.get(name)), None)
    if given is not None and device.isdecimal():
        device = dict(enumerate(given.split(","))).get(int(device), "-1")  # none
    seeing = {**known, **dict.fromkeys(_VISIBLE, device)}
    if given is None:
        seeing.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")  # as nvidia-smi counts
    return seeing
