"""A process that runs the cases it is named, one a line, and prints rows as JSON.

    python -m benchmarks.gpu.worker [--toy]

Each answer is a line: {"row": ...} for every row, then {"end": seconds} or
{"failed": reason}. What libraries print goes to the standard error.
"""

import functools
import gc
import importlib
import json
import math
import os
import signal
import sys
import threading
import time
import traceback
from typing import Any

from benchmarks.gpu import cases


def main() -> None:
    """Answers lines of the standard input until it ends."""
    toy = "--toy" in sys.argv[1:]
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def say(answer: dict[str, Any]) -> None:
        answers.write(json.dumps(_finite(answer)) + "\n")
        answers.flush()

    if toy:
        gc.disable()  # a fifth of tracing; `forget` collects after each case
    threading.Thread(target=_follow, args=(os.getppid(),), daemon=True).start()
    prepare(toy)
    from benchmarks import machine

    say({"environment": machine.environment(("torch", *PEERS))})
    known = {case.name: case for case in cases.CASES}
    for line in sys.stdin:
        started = time.perf_counter()
        try:
            _run(known[json.loads(line)], toy, say)
        except Exception as error:
            traceback.print_exc()
            from benchmarks.gpu import contests

            say({"failed": contests.reason(error)})
        else:
            say({"end": time.perf_counter() - started})


PEERS = ("spandrel", "pytorch-msssim", "frame-analytics", "fused-ssim", "numba")


def prepare(toy: bool) -> None:
    """Sets PyTorch up: every process chooses its kernels itself, undisturbed.

    What the compiler has made comes from the disk, but not which of its kernels was
    quickest while others ran beside it. A rehearsal traces as the compiler does, and
    leaves it at that: no code is generated.
    """
    try:
        import torch
        import torch._inductor.config as inductor
    except ImportError:
        return
    inductor.autotune_local_cache = False
    if toy:
        torch.compile = functools.partial(torch.compile, backend="eager")


def _follow(parent):
    """Ends this process and all that it has started when its parent has died."""
    while os.getppid() == parent:
        time.sleep(1)
    os.killpg(0, signal.SIGKILL)


def _run(case, toy, say):
    module = importlib.import_module(f"benchmarks.gpu.{case.home}")
    for row in module.rows(toy=toy, **case.options):
        say({"row": row})
    from benchmarks.gpu import contests

    contests.forget(programs=not toy)


def _finite(value):
    """JSON has no NaN and no infinity: they become words."""
    if isinstance(value, dict):
        return {name: _finite(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


if __name__ == "__main__":
    main()
