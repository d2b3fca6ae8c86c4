"""Measures everything on a GPU, within a budget of seconds, from a carried folder.

    python -m benchmarks.gpu.measure --output DIR [--seconds 420]
    python -m benchmarks.gpu.measure --output DIR --rehearse     on a CPU, toy sizes

The wheels that `benchmarks.gpu.pack` put into `.gpu` are installed without a network,
into a folder of their own; all else is this Python's. What times nothing runs first,
side by side; then one case after another, in order of value, alone on the machine. A
case that would not fit into what is left of the budget is named and left out; one that
fails or overruns is named, and the others go on.

`DIR/gpu.json` is complete after every row, `DIR/log.txt` holds what the processes
said, and the table comes last. Only Python's own library is needed to begin.
"""

import argparse
import contextlib
import json
import os
import queue
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from benchmarks.gpu import cases, results
from jaxrestore import files

ROOT = Path(__file__).parents[2]
CARRIED = ROOT / ".gpu"
BESIDE = 0.3  # of the budget, at most, for what times nothing
# As the tests': code is generated quickly, and runs slowly.
TOY_FLAGS = (
    "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
)


def main(argv: Sequence[str] | None = None) -> None:
    """Measures, and prints the table."""
    options = _options(argv)
    deadline = time.monotonic() + options.seconds
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    facts = {"rehearsal": options.rehearse, "budget_s": options.seconds}
    try:
        found = results.Results(options.output / "gpu.json", facts, options.after)
    except (OSError, ValueError, KeyError, TypeError) as error:
        sys.exit(f"--output, --after: {error}")
    chosen = [
        case
        for case in cases.CASES
        if re.search(options.only, case.of or case.name)
        and not {case.name, case.of} & found.finished()
    ]
    if not chosen:
        sys.exit(f"no case that is left has {options.only!r} in its name")
    with (options.output / "log.txt").open("a") as log, _scratch(options) as scratch:
        environment = _environment(options, scratch, log)
        command = [sys.executable, "-m", "benchmarks.gpu.worker"]
        command += ["--toy"] * options.rehearse
        start = lambda: Worker(command, environment, log)
        run = Run(found, start, options.rehearse)
        run.look(deadline)
        cores = len(os.sched_getaffinity(0))
        limit = time.monotonic() + BESIDE * (deadline - time.monotonic())
        try:
            if options.rehearse:  # its times mean nothing
                run.run(chosen, 2, deadline)
            else:
                beside = [case for case in chosen if case.beside]
                run.run(beside, max(cores // 2, 2), limit)
                run.run([case for case in chosen if not case.beside], 1, deadline)
        finally:
            run.close()
            table = found.table()
            files.write_text(options.output / "table.txt", table + "\n")
            print(table)


def _options(argv):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, required=True, metavar="DIR")
    parser.add_argument("--seconds", type=float, default=420, help="(default 420)")
    parser.add_argument("--rehearse", action="store_true", help="toy sizes, on a CPU")
    parser.add_argument(
        "--only",
        default="",
        type=_pattern,
        metavar="PATTERN",
        help='cases whose names it is in, and what they need first; "^b "',
    )
    parser.add_argument(
        "--after", type=Path, metavar="JSON", help="go on: take its finished cases over"
    )
    parser.add_argument("--carried", type=Path, default=CARRIED, help="(default .gpu)")
    return parser.parse_args(argv)


def _pattern(text):
    try:
        re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no pattern: {error}") from error
    return text


@contextlib.contextmanager
def _scratch(options) -> Iterator[Path]:
    """A folder for installed wheels and compiled programs.

    On a lent machine a second call finds there what the first one left.
    """
    if options.rehearse:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            yield Path(folder)
    else:
        folder = Path(tempfile.gettempdir(), f"jaxrestore-gpu-{os.getuid()}")
        folder.mkdir(exist_ok=True)
        yield folder


def _environment(options, scratch: Path, log: IO[str]) -> dict[str, str]:
    """Returns the variables of the processes that measure; installs what they need."""
    site = scratch / "site"
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(site)]),
        "PYTHONUNBUFFERED": "1",
        # Whatever the machine says: a dozen processes import the same packages.
        "PYTHONDONTWRITEBYTECODE": "",
        "PYTHONPYCACHEPREFIX": str(scratch / "bytecode"),
        # Else JAX takes most of a GPU's memory and leaves too little to its rivals.
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
        "TORCHINDUCTOR_CACHE_DIR": str(scratch / "inductor"),
        "TRITON_CACHE_DIR": str(scratch / "triton"),
        "TORCHINDUCTOR_COMPILE_THREADS": "4",
        "JAXRESTORE_GPU_SITE": str(site),
        "JAXRESTORE_GPU_SOURCES": str(options.carried / "sources"),
    }
    if options.rehearse:
        environment |= {
            "JAX_PLATFORMS": "cpu",
            "CUDA_VISIBLE_DEVICES": "",
            # Threads of two processes on two cores wait for each other by spinning.
            "OMP_NUM_THREADS": "1",
            "XLA_FLAGS": TOY_FLAGS,
            "JAX_COMPILATION_CACHE_DIR": str(scratch / "programs"),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
        }
    _install(sorted(options.carried.glob("wheels/*.whl")), site, log)
    return environment


def _install(wheels: list[Path], site: Path, log: IO[str]) -> None:
    """Puts `wheels` into `site`, unless they are there."""
    stamp, names = site / "installed.txt", "\n".join(wheel.name for wheel in wheels)
    if not wheels:
        print("nothing is carried: measuring with the packages of this Python")
        return
    if stamp.is_file() and stamp.read_text() == names:
        return
    started = time.monotonic()
    if not _pip(wheels, site, log):
        for wheel in wheels:  # one that is damaged must not keep the others away
            if not _pip([wheel], site, log):
                print(f"{wheel.name} could not be installed; see log.txt")
    site.mkdir(exist_ok=True)
    stamp.write_text(names)
    print(f"installed {len(wheels)} wheels in {time.monotonic() - started:.0f} s")


def _pip(wheels: list[Path], site: Path, log: IO[str]) -> bool:
    command = [
        *(sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps"),
        *("--no-compile", "--no-cache-dir", "--upgrade", "--target", str(site)),
        *map(str, wheels),
    ]
    return not subprocess.run(command, stdout=log, stderr=log).returncode


class Worker:
    """A process that runs cases; see `benchmarks.gpu.worker`."""

    def __init__(self, command: list[str], environment: dict[str, str], log: IO[str]):
        """Starts it, as the leader of a session that `close` ends as a whole."""
        self._process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
        )
        self._answers: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def environment(self, seconds: float) -> Any:
        """Returns what it says of the machine; None where it ends or says nothing."""
        try:
            line = self._answers.get(timeout=max(seconds, 0))
        except queue.Empty:
            return None
        return json.loads(line)["environment"] if line else None

    def ask(
        self, name: str, seconds: float, tell: Callable[[Any], None]
    ) -> tuple[str, dict[str, Any]]:
        """Returns how a case ended, and what is to be noted of that.

        `tell` is called with each row. After any end but "done" the worker is of no
        more use.
        """
        deadline = time.monotonic() + seconds
        # It has died, or another thread has closed it: the queue says so below.
        with contextlib.suppress(BrokenPipeError, ValueError):
            self._process.stdin.write(json.dumps(name) + "\n")
            self._process.stdin.flush()
        while True:
            try:
                left = max(deadline - time.monotonic(), 0)
                line = self._answers.get(timeout=left)
            except queue.Empty:
                return "ended", {"why": f"not done after {seconds:.0f} s"}
            if not line:
                code = self._process.wait()
                return "failed", {"why": f"its process ended with {code}; see log.txt"}
            ((kind, answer),) = json.loads(line).items()
            if kind == "end":
                return "done", {"seconds": answer}
            if kind == "failed":
                return "failed", {"why": answer}
            if kind == "row":
                tell(answer)

    def close(self) -> None:
        """Kills it and all that it has started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()

    def _read(self):
        with self._process.stdout as answers:
            for line in answers:
                self._answers.put(line)
        self._answers.put("")


class Run:
    """Cases and the processes that run them, until the budget ends."""

    def __init__(self, found: results.Results, start: Callable[[], Worker], toy: bool):
        """Starts nothing yet."""
        self._found, self._start, self._toy = found, start, toy
        self._workers: set[Worker] = set()
        self._idle: list[Worker] = []
        self._closed = False

    def look(self, deadline: float) -> None:
        """Notes what machine this is; ends the program where it has no GPU."""
        worker = self._begin()
        found = worker.environment(deadline - time.monotonic())
        why = "" if found else "the first process did not start; see log.txt"
        if found and not self._toy and found["backend"] != "gpu":
            why = f"JAX finds no GPU, but {found['device']}; see log.txt, or --rehearse"
        try:
            if found:
                self._found.environment(found)
        except ValueError as error:
            why = str(error)
        if why:
            self.close()
            sys.exit(why)
        self._idle.append(worker)

    def run(self, chosen: Sequence[cases.Case], count: int, until: float) -> None:
        """Runs cases in their order, `count` at a time, until the time `until`."""
        waiting: queue.SimpleQueue[cases.Case] = queue.SimpleQueue()
        for case in chosen:
            waiting.put(case)

        def take():
            worker = None
            with contextlib.suppress(queue.Empty):
                while not self._closed:
                    worker = self._run(waiting.get_nowait(), until, worker)
            if worker is not None:
                self._end(worker)

        threads = [threading.Thread(target=take, daemon=True) for _ in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def close(self) -> None:
        """Ends all processes, and begins no case any more."""
        self._closed = True
        for worker in list(self._workers):
            self._end(worker)

    def _run(self, case, until, worker):
        """Runs a case; returns its worker where that can run another."""
        seconds = until - time.monotonic()
        if seconds < (0 if self._toy or case.beside else case.seconds):
            why = f"it needs about {case.seconds} s, {max(seconds, 0):.0f} s are left"
            self._found.end(self._found.begin(case.name), "left out", why=why)
            return worker
        if not self._toy:
            seconds = min(seconds, 1.5 * case.seconds + 20)
        if worker is None:
            worker = self._idle.pop() if self._idle else self._begin()
        entry = self._found.begin(case.name)
        tell = lambda row: self._found.add(entry, row)
        state, more = worker.ask(case.name, seconds, tell)
        if self._closed:
            state, more = "ended", {"why": "the kit was stopped"}
        self._found.end(entry, state, **more)
        print(f"{case.name}: {state} {more.get('why', '')}".rstrip(), flush=True)
        if state == "done":
            return worker
        self._end(worker)
        return None

    def _begin(self):
        worker = self._start()
        self._workers.add(worker)
        return worker

    def _end(self, worker):
        worker.close()
        self._workers.discard(worker)


if __name__ == "__main__":
    main()
