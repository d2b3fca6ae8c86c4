"""What is said and done at the first signal, and at the second."""

import operator
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from jaxrestore.training import interruption

ROOT = Path(__file__).parents[2]
# A call that leaves Python for many seconds, as a step does: no handler runs within it.
BUSY = """
import hashlib
from jaxrestore.training import interruption
with interruption.Interruption():
    print("ready", flush=True)
    hashlib.pbkdf2_hmac("sha256", b"", b"", 200_000_000)
"""


@pytest.fixture
def busy():
    command = [sys.executable, "-c", BUSY]
    pipe = subprocess.PIPE
    child = subprocess.Popen(command, cwd=ROOT, text=True, stdout=pipe, stderr=pipe)
    assert child.stdout.readline() == "ready\n"
    time.sleep(0.2)
    yield child
    child.kill()
    child.communicate()


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_is_told_while_a_step_runs_and_the_second_ends_it(busy, first):
    started = time.monotonic()
    busy.send_signal(first)
    assert busy.stderr.readline() == "\n"
    said = busy.stderr.readline()
    assert "saved after this step; another Ctrl-C stops now" in said
    assert time.monotonic() - started < 5 and busy.poll() is None
    busy.send_signal(signal.SIGINT)
    assert busy.wait(10) == 130
    assert "stopped unsaved; what the last checkpoint holds" in busy.stderr.read()


def test_where_python_runs_a_second_ctrl_c_is_its_own(capfd):
    with pytest.raises(KeyboardInterrupt), interruption.Interruption() as stop:
        signal.raise_signal(signal.SIGINT)
        assert stop.signal == signal.SIGINT
        signal.raise_signal(signal.SIGINT)
    time.sleep(1.5 * interruption._SECONDS)  # the process is not ended afterwards
    said = capfd.readouterr().err
    assert said.count("another Ctrl-C stops now") == 1 and "unsaved;" not in said


def test_signals_go_back_to_whoever_had_them():
    before = [signal.getsignal(number) for number in interruption._SIGNALS]
    ours = os.pipe()
    os.set_blocking(ours[1], False)
    wakeup = signal.set_wakeup_fd(ours[1])
    try:
        with interruption.Interruption() as stop:
            pass
        assert signal.set_wakeup_fd(wakeup) == ours[1]
    finally:
        signal.set_wakeup_fd(wakeup)
        for end in ours:
            os.close(end)
    assert [signal.getsignal(number) for number in interruption._SIGNALS] == before
    assert stop.signal is None
    target = operator.attrgetter("_target")
    alive = [t for t in threading.enumerate() if target(t) is interruption._listen]
    for thread in alive:
        thread.join(5)
        assert not thread.is_alive()
