"""An engine's process that restores nothing, and dies as it is told; without jax.

Orders of the task `wait` take as many seconds as their option says, `die` ends the
process, and `mute` has it say nothing more. The one device that it sees is in its name;
where there is none it is a CPU, and one that is `broken` ends it at once.
"""

import os
import sys
import threading
import time

from jaxrestore.serving import values
from jaxrestore.serving.engine import messages


def main():
    lock, mute = threading.Lock(), threading.Event()
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    device = "cpu" if visible == "-1" else f"fake {visible}".strip()
    if visible == "broken":
        os._exit(1)

    def tell(message):
        with lock:
            if not mute.is_set():
                sys.stdout.buffer.write(messages.line(message))
                sys.stdout.buffer.flush()

    def beat():
        while True:
            tell(values.Beat(time.time(), 1000))
            time.sleep(0.05)

    def run(order):
        tell(values.Started(order.job))
        if order.task == "die":
            os._exit(9)
        if order.task == "mute":
            mute.set()
        asked[order.job].wait(order.options.get("seconds", 0))
        status = values.Status.DONE
        if order.job in cancelled:
            status = values.Status.CANCELLED
        tell(values.Ended(order.job, status, numbers={"device": device}))

    messages.read(sys.stdin.buffer.readline())
    threading.Thread(target=beat, daemon=True).start()
    asked, cancelled = {}, set()
    tell(values.Ready((), device, 0.0))
    for line in sys.stdin.buffer:
        message = messages.read(line)
        if isinstance(message, values.Order):
            asked[message.job] = threading.Event()
            threading.Thread(target=run, args=(message,), daemon=True).start()
            continue
        if isinstance(message, messages.Cancel):
            cancelled.add(message.job)
        asked[message.job].set()
    os._exit(0)


if __name__ == "__main__":
    main()
