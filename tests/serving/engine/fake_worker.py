"""An engine's process that restores nothing, and dies as it is told; without jax.

Orders of the task `wait` take as many seconds as their option says, `die` ends the
process, and `mute` has it say nothing more.
"""

import os
import sys
import threading
import time

from jaxrestore.serving import values
from jaxrestore.serving.engine import messages


def main():
    lock, mute = threading.Lock(), threading.Event()

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
        ended = cancelled[order.job].wait(order.options.get("seconds", 0))
        status = values.Status.CANCELLED if ended else values.Status.DONE
        tell(values.Ended(order.job, status))

    messages.read(sys.stdin.buffer.readline())
    threading.Thread(target=beat, daemon=True).start()
    cancelled = {}
    tell(values.Ready((), "fake", 0.0))
    for line in sys.stdin.buffer:
        message = messages.read(line)
        if isinstance(message, values.Order):
            cancelled[message.job] = threading.Event()
            threading.Thread(target=run, args=(message,), daemon=True).start()
        elif isinstance(message, messages.Cancel):
            cancelled[message.job].set()
    os._exit(0)


if __name__ == "__main__":
    main()
