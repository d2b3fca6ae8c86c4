"""A server of an app in a thread, and what goes over the wire to it."""

import asyncio
import contextlib
import socket
import threading
import time

from jaxrestore.serving.http import server


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
            yield ear.getsockname()[1]
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
