"""Servers in threads and processes, and what goes over the wire to them."""

import asyncio
import contextlib
import io
import os
import re
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

from PIL import Image

from jaxrestore.serving.http import server

ROOT = Path(__file__).parents[3]


@contextlib.contextmanager
def served(settings, app):
    """Yields the port at which `app` is served; `settings.port` is 0."""
    with server.listening(settings) as ear:
        ready = threading.Event()
        running = server.Server(server.configured(settings, app), app, ready.set)
        thread = threading.Thread(
            target=lambda: asyncio.run(running.serve(sockets=[ear])), daemon=True
        )
        thread.start()
        assert ready.wait(20)
        try:
            yield 0 if settings.socket else ear.getsockname()[1]
        finally:
            running.should_exit = True
            thread.join(20)
            assert not thread.is_alive()


def talk(port, *parts, pause=0.0, seconds=10.0):
    """Sends the parts, and returns all that comes until the server closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as mouth:
        for number, part in enumerate(parts):
            if number and pause:
                time.sleep(pause)
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                mouth.sendall(part)
        heard = b""
        with contextlib.suppress(ConnectionResetError):
            while chunk := mouth.recv(65536):
                heard += chunk
        return heard


def png(pixels):
    """A PNG file of an array."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


SERVER = """
import sys
from pathlib import Path
sys.path.insert(0, "tests")
from serving.http import whole
from jaxrestore.cli import ending
from jaxrestore.serving.http import server

def main():
    many = dict.fromkeys(("owner_uploads", "address_uploads"), 10**6)
    settings = whole.settings(Path(sys.argv[1]), **many)
    server.serve(settings, whole.app(settings, delay=float(sys.argv[2])),
                 lambda line: print(line, flush=True))

ending.run(main)
"""


def started(folder, delay):
    """A process that serves the app on a fake engine, and where."""
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(folder), str(delay)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "JAX_PLATFORMS": "cpu"},
    )
    return process, where(process)


def where(process):
    """Where a process says that it serves."""
    line = process.stdout.readline()
    found = re.fullmatch(
        r"serving at (http://127\.0\.0\.1:\d+); Ctrl-C ends it\n", line
    )
    assert found, line + process.stderr.read()
    return found[1]
