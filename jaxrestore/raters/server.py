"""`jaxrestore study serve`: hands out one page and takes in answers, nothing else.

Two addresses exist, `GET /` and `POST /answers`. No path of a request ever becomes a
path of a file: the page is read once, at the start, and the key stays where it is.
There is no password: whoever reaches the port can answer.
"""

import errno
import http.server
import re
import sys
import threading
from pathlib import Path
from typing import Any

from jaxrestore import errors, files
from jaxrestore.raters import answers as perceptual_answers
from jaxrestore.raters import pages

MOST_BYTES = 1_000_000  # of one rater's answers; a thousand of them take 60 000
MOST_FILES = 10_000  # so that nobody fills the disk
_SECONDS = 30  # to wait for a slow sender


def serve(folder: Path, *, host: str = "127.0.0.1", port: int = 8000) -> None:
    """Serves the study in `folder` until it is interrupted; raises what `server` does.

    With `host="0.0.0.0"` other machines of the network reach it too.
    """
    with server(folder, host=host, port=port) as running:
        running.serve_forever()


def server(
    folder: Path, *, host: str = "127.0.0.1", port: int = 8000
) -> http.server.ThreadingHTTPServer:
    """Returns a server that is bound to its port; `serve_forever()` runs it.

    Port 0 takes any free one, `server_address` says which. Answers are checked and
    appear whole as `folder`/answers/RATER-N.json; the same bytes sent twice are kept
    once. Raises `NoInputError` without a study in `folder`, and `ConfigError` for a
    host or port that cannot be had.
    """
    key = pages.read_key(folder)
    path = folder / pages.PAGE
    if not path.is_file():
        raise errors.NoInputError(f"{path} is missing; make the study again elsewhere")
    handler = _handler(key, path.read_bytes(), folder / perceptual_answers.FOLDER)
    try:
        return _Server((host, port), handler)
    except (OSError, OverflowError) as error:
        taken = getattr(error, "errno", None) == errno.EADDRINUSE
        why = "it is taken" if taken else str(error)
        raise errors.ConfigError(
            f"{host}:{port} cannot be served: {why}; give another `port` or `host`"
        ) from error


class _Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128  # with the usual 5, a class that ends together is refused

    def handle_error(self, request, client_address):
        # Who leaves in the middle of an answer is no error of the server.
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def _handler(
    key: dict[str, Any], page: bytes, answers: Path
) -> type[http.server.BaseHTTPRequestHandler]:
    """Returns the class that http.server makes anew for every request."""
    lock = threading.Lock()

    class Handler(http.server.BaseHTTPRequestHandler):
        timeout = _SECONDS

        def do_GET(self):
            if self.path.partition("?")[0] == "/":
                self._reply(200, page, "text/html; charset=utf-8")
            else:
                self._reply(404, b"there is only /")

        def do_POST(self):
            status, text = self._take()
            self._reply(status, text.encode())

        def _take(self) -> tuple[int, str]:
            length = self.headers.get("Content-Length", "")
            if not re.fullmatch("[0-9]{1,12}", length):
                return 411, "say Content-Length"
            if int(length) > MOST_BYTES:
                return 413, f"answers have at most {MOST_BYTES} bytes"
            # Before any refusal: what is left unread resets the connection, and the
            # refusal may be lost with it.
            data = self.rfile.read(int(length))
            if self.path != "/answers":
                return 404, "answers go to /answers"
            # Another site's page cannot send this type without asking first.
            if self.headers.get_content_type() != "application/json":
                return 415, "answers are application/json"
            if len(data) < int(length):
                return 400, "the answers ended early"
            try:
                rater = perceptual_answers.check(key, data, "what was sent")
            except errors.UserError as error:
                return 400, str(error)
            with lock:
                return _keep(answers, rater.name, data)

        def _reply(self, status: int, body: bytes, kind: str = "text/plain"):
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("X-Content-Type-Options", "nosniff")
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format, *args):
            del format, args  # raters are not written down

    return Handler


def _keep(folder: Path, rater: str, data: bytes) -> tuple[int, str]:
    """Writes the answers under the rater's next free number; status and its words."""
    folder.mkdir(exist_ok=True)
    number = 1
    while (path := folder / f"{rater}-{number}.json").exists():
        if path.read_bytes() == data:
            return 200, "these answers are here already"
        number += 1
    if sum(1 for _ in folder.iterdir()) >= MOST_FILES:
        return 507, f"there are {MOST_FILES} answers already"
    try:
        files.write_bytes(path, data)
    except errors.DiskError as error:  # paths are for who serves the study alone
        print(f"error: {error}", file=sys.stderr, flush=True)
        return 507, "the answers could not be written; tell who sent you here"
    return 200, "thank you"
