"""The web app behind nginx, as docs/deployment/nginx.conf has it."""

import contextlib
import json
import os
import re
import resource
import shutil
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import numpy as np
import pytest
from serving import nginx
from serving.http import live, test_wire, whole
from typer.testing import CliRunner

from jaxrestore import images
from jaxrestore.cli import app

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(nginx.MISSING), reason=f"{nginx.MISSING} is not installed"),
]
ROOT = Path(__file__).parents[2]
PIXELS = np.random.default_rng(0).integers(0, 256, (16, 20, 3), np.uint8)
PNG = images.encoded(PIXELS, ".png")


class Asked:
    """A middleware that remembers in `asked` what an app is asked for."""

    def __init__(self, app, asked):
        self.app, self.asked = app, asked

    async def __call__(self, scope, receive, send):
        if scope["type"] == "http":
            self.asked.append((scope["method"], scope["path"]))
        await self.app(scope, receive, send)


@contextlib.contextmanager
def behind(folder, delay=0.0, tcp=False):
    """Yields where a server is, as nginx names it, and what it is asked for."""
    place, asked = folder / "web.sock", []
    at = {"proxies": ("127.0.0.1",)} if tcp else {"socket": place}
    known = whole.settings(folder, owner_uploads=100, **at)
    made = whole.app(known, delay=delay)
    made.add_middleware(Asked, asked=asked)
    with live.served(known, made) as port:
        yield f"127.0.0.1:{port}" if tcp else f"unix:{place}", asked


@pytest.fixture(scope="module")
def proxy(tmp_path_factory):
    """An nginx before one server; `proxy.asked` is what came through."""
    web, folder = (tmp_path_factory.mktemp(name) for name in ("web", "nginx"))
    with (
        behind(web, delay=0.4) as (place, asked),
        nginx.Nginx(folder, [place]).running() as running,
    ):
        running.asked = asked
        yield running


@pytest.fixture
def client(proxy):
    with httpx.Client(base_url=proxy.url, verify=proxy.context) as known:
        yield known


def test_pictures_go_through_it_by_remote(proxy, tmp_path, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(proxy.certificate))
    images.encode(PIXELS, tmp_path / "in.png")
    words = ["remote", proxy.url, "restore", str(tmp_path / "in.png"), "-o"]
    words += [str(tmp_path / "out.png"), "--task", "denoise"]
    result = CliRunner().invoke(app.app, words)
    assert result.exit_code == 0, result.exception
    np.testing.assert_array_equal(images.decode(tmp_path / "out.png"), 255 - PIXELS)


def job_of(client):
    """Uploads a picture and has it restored."""
    image = client.post("/api/v1/images", content=PNG).json()["id"]
    asked = {"image_id": image, "task": "denoise"}
    return image, client.post("/api/v1/jobs", json=asked).json()["id"]


def test_events_come_as_they_are_sent(client):
    _, job = job_of(client)
    began, found = time.monotonic(), []
    with client.stream("GET", f"/api/v1/jobs/{job}/events") as events:
        assert events.headers["content-type"].startswith("text/event-stream")
        for line in events.iter_lines():
            if line.startswith("data:"):
                told = json.loads(line.removeprefix("data:"))
                found.append((time.monotonic() - began, told["status"]))
    (first, _), *_, (last, status) = found
    assert status == "done" and last - first > 0.2


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
def test_it_speaks_http_2(proxy):
    said = ["curl", "-fsS", "--http2", "--cacert", proxy.certificate, "-o", "/dev/null"]
    said += ["-w", "%{http_version}", f"{proxy.url}/healthz"]
    assert subprocess.run(said, capture_output=True, text=True).stdout == "2"


def test_what_the_app_says_of_browsers_comes_through(client):
    answer = client.get("/healthz")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert client.get("/metrics").status_code == 404
    assert client.get("/metrics").headers["server"] == "nginx"


LARGE = 34 * 2**20


@pytest.mark.parametrize(
    ("path", "bytes", "status"),
    [
        ("/api/v1/images", LARGE, 413),
        ("/api/v1/restore", LARGE, 415),  # the app's: it is no form
        ("/api/v1/restore", 2 * LARGE, 413),
        ("/api/v1/batches", 2 * LARGE, 415),
        ("/api/v1/batches", 9 * LARGE, 413),
    ],
)
def test_what_is_too_large_is_told_as_a_problem_before_it_comes(
    proxy, path, bytes, status
):
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {bytes}\r\n"
    heard = proxy.talk(f"{head}\r\n".encode(), seconds=0.5)
    if status == 413:
        ((found, headers, body),) = test_wire.answers(heard)
        assert (found, headers["content-type"]) == (413, "application/problem+json")
        assert json.loads(body)["code"] == "too_large"
    else:
        assert heard == b""  # nginx waits for the body


def test_who_comes_without_tls_or_by_another_name_gets_nothing(proxy):
    plain = httpx.get(f"http://127.0.0.1:{proxy.plain}/a?b=c")
    assert plain.status_code == 301
    assert plain.headers["location"] == "https://localhost/a?b=c"
    proxy.context.check_hostname = False
    try:
        with pytest.raises(ssl.SSLError):
            proxy.connected(name="other.example")
    finally:
        proxy.context.check_hostname = True
    before = len(proxy.asked)
    heard = proxy.talk(test_wire.get(b"Host: other.example"), seconds=0.5)
    assert heard.startswith(b"HTTP/1.1 421 ") and len(proxy.asked) == before


# nginx ends a line where RFC 9112 lets it, and leaves out a header that is none.
MENDED = {"a lone line feed", "a header without a colon"}


@pytest.mark.parametrize("name", test_wire.HOSTILE)
def test_a_hostile_request_is_refused_and_nothing_hides_in_it(proxy, name):
    raw, _ = test_wire.HOSTILE[name]
    before = len(proxy.asked)
    heard = proxy.talk(raw + test_wire.SECOND, seconds=0.7)
    statuses = [int(s) for s in re.findall(rb"HTTP/1\.1 (\d{3}) ", heard)]
    came = proxy.asked[before:]
    assert statuses or heard.startswith(b"<html>")  # to HTTP/0.9, which has no status
    refused = [s for s in statuses if 400 <= s < 500 or s in (501, 505)]
    assert statuses[:1] == refused[:1] or name in MENDED
    assert {*statuses} <= {200, *refused}
    # What came through is what was answered: no request was made of another's body.
    assert len(came) <= len(statuses) and came[1:] in ([], [("GET", "/healthz")])


def is_open(connection):
    """Whether the other side says nothing, and has not ended it."""
    connection.settimeout(0)
    with pytest.raises(ssl.SSLWantReadError):
        connection.recv(1)
    return True


def test_slow_connections_leave_a_good_client_its_time(proxy, client):
    """250 that do not end their headers, 250 that do not send their body."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 8192), most))
    head = b"POST /api/v1/images HTTP/1.1\r\nHost: localhost\r\n"
    body = head + b"Content-Length: 100000\r\n\r\nabc"
    client.post("/api/v1/images", content=PNG)  # the process that decodes is begun
    before = len(proxy.asked)
    with contextlib.ExitStack() as stack:
        slow = []
        for number in range(500):
            address = f"127.0.0.{2 + number % 10}"  # up to 64 of each wait for a body
            slow.append(stack.enter_context(proxy.connected(address)))
            slow[-1].sendall(body if number % 2 else head + b"X: ")
        took = []
        for _ in range(40):
            began = time.monotonic()
            assert client.get("/healthz").status_code == 200
            assert client.post("/api/v1/images", content=PNG).status_code == 201
            took.append(time.monotonic() - began)
        assert all(map(is_open, slow))
        assert len(proxy.asked) == before + 80
    assert max(took) < 0.5


def owner(proxy, number):
    """A client at an address of its own."""
    transport = httpx.HTTPTransport(
        verify=proxy.context, local_address=f"127.0.1.{number}"
    )
    return httpx.Client(base_url=proxy.url, transport=transport)


def test_several_servers_share_owners_and_one_may_be_away(tmp_path):
    folders = [tmp_path / name for name in ("a", "b", "proxy")]
    for folder in folders:
        folder.mkdir()
    for folder in folders[:2]:
        (folder / "session.key").write_bytes(bytes(32))
    with contextlib.ExitStack() as stack, contextlib.ExitStack() as first:
        a, one = first.enter_context(behind(folders[0]))
        b, other = stack.enter_context(behind(folders[1], tcp=True))
        made = nginx.Nginx(folders[2], [a, b])
        proxy = stack.enter_context(made.running())
        owners = [stack.enter_context(owner(proxy, n)) for n in range(2, 14)]
        images = [c.post("/api/v1/images", content=PNG).json()["id"] for c in owners]
        begun = [sum(m == "POST" for m, _ in asked) for asked in (one, other)]
        assert min(begun) > 0 and sum(begun) == len(owners)
        for client, image in zip(owners, images, strict=True):
            asked = {"image_id": image, "task": "denoise"}
            assert client.post("/api/v1/jobs", json=asked).status_code == 202
        # An address that somebody was sent is found wherever it is; a wrong one is not.
        assert {owners[0].get(f"/api/v1/images/{i}").status_code for i in images} == {
            200
        }
        unknown = owners[0].get(f"/api/v1/images/{'0' * 32}")
        assert unknown.status_code == 404 and unknown.json()["code"] == "no_image"
        # A browser's session goes where it was begun, whatever its address.
        page = {"accept": "text/html"}
        cookie = owners[0].get("/docs", headers=page).headers["set-cookie"]
        session = {"cookie": cookie.partition(";")[0]}
        before = [len(one), len(other)]
        for client in owners:
            assert client.get("/healthz", headers=session).status_code == 200
        came = [len(one) - before[0], len(other) - before[1]]
        assert sorted(came) == [0, len(owners)]
        first.close()
        for client in owners:
            assert client.post("/api/v1/images", content=PNG).status_code == 201


def test_two_servers_are_started_anew_one_after_the_other_and_nothing_is_lost(
    tmp_path, monkeypatch
):
    folders = [tmp_path / name for name in ("a", "b", "proxy", "in")]
    for folder in folders:
        folder.mkdir()
    for number in range(40):
        images.encode(PIXELS // (number + 1), folders[3] / f"{number}.png")
    with contextlib.ExitStack() as stack:
        running = [contextlib.ExitStack() for _ in range(2)]
        places = [
            one.enter_context(behind(folder, delay=0.2))[0]
            for one, folder in zip(running, folders, strict=False)
        ]
        proxy = stack.enter_context(nginx.Nginx(folders[2], places).running())
        monkeypatch.setenv("SSL_CERT_FILE", str(proxy.certificate))
        words = ["restore", str(folders[3]), "-o", f"{tmp_path / 'out'}/", "--task"]
        results = []
        invoke = lambda: results.append(
            CliRunner().invoke(app.app, ["remote", proxy.url, *words, "denoise"])
        )
        client = threading.Thread(target=invoke)
        client.start()
        for one, folder in zip(running, folders, strict=False):
            time.sleep(1)
            assert client.is_alive()
            one.close()
            one.enter_context(behind(folder, delay=0.2))
        client.join(60)
        for one in running:
            one.close()
    assert results[0].exit_code == 0, results[0].exception
    for number in range(40):
        found = images.decode(tmp_path / "out" / f"{number}.png")
        np.testing.assert_array_equal(found, 255 - PIXELS // (number + 1))


def test_a_server_that_is_away_is_told_and_when_to_ask_again(tmp_path):
    made = nginx.Nginx(tmp_path, [f"unix:{tmp_path / 'nothing.sock'}"])
    with made.running() as proxy:
        away = httpx.get(f"{proxy.url}/api/v1/tasks", verify=proxy.context)
    assert away.status_code == 503 and away.headers["retry-after"] == "5"
    assert away.json()["code"] == "away"


def test_who_asks_too_often_is_told_when_to_ask_again(proxy):
    with owner(proxy, 200) as client:
        answers = [client.get("/healthz") for _ in range(300)]
    refused = [one for one in answers if one.status_code != 200]
    assert refused and {one.status_code for one in refused} == {429}
    assert refused[0].headers["retry-after"] == "2"
    assert refused[0].json()["code"] == "too_often"


@contextlib.contextmanager
def serve(folder):
    """`jaxrestore serve` itself, behind a Unix socket, which nginx's is named by."""
    place = folder / "web.sock"
    command = [sys.executable, "-m", "jaxrestore", "serve", "--socket", place]
    surroundings = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [*command, "--folder", folder / "home", "--secure"],
        cwd=folder,
        env=surroundings,
        stdout=subprocess.DEVNULL,
    ) as process:
        try:
            yield f"unix:{place}"
        finally:
            process.terminate()
            assert process.wait(60) == 143


@pytest.mark.timeout(900)
def test_the_real_server_behind_it_restores_as_the_command_line_does(
    tmp_path, monkeypatch
):
    for name in ("web", "proxy", "in"):
        (tmp_path / name).mkdir()
    for number in range(3):
        noise = np.random.default_rng(number).normal(0, 20, (48, 64, 3))
        picture = np.clip(np.linspace(0, 255, 64)[None, :, None] + noise, 0, 255)
        images.encode(picture.astype(np.uint8), tmp_path / "in" / f"{number}.png")
    with (
        serve(tmp_path / "web") as place,
        nginx.Nginx(tmp_path / "proxy", [place]).running() as proxy,
        httpx.Client(base_url=proxy.url, verify=proxy.context) as client,
    ):
        monkeypatch.setenv("SSL_CERT_FILE", str(proxy.certificate))
        page = client.get("/", headers={"accept": "text/html"})
        while page.status_code == 503:
            time.sleep(0.2)
            page = client.get("/", headers={"accept": "text/html"})
        assert page.status_code == 200 and "strict-transport-security" in page.headers
        assert "Secure" in page.headers["set-cookie"]
        words = ["restore", str(tmp_path / "in"), "--task", "denoise", "-o"]
        far = [*words, f"{tmp_path / 'far'}/"]
        result = CliRunner().invoke(app.app, ["remote", proxy.url, *far])
        assert result.exit_code == 0, result.exception
        assert client.get("/readyz").status_code == 200
        _, job = job_of(client)
        with client.stream("GET", f"/api/v1/jobs/{job}/events") as events:
            assert '"status":"done"' in "".join(events.iter_lines())
    near = CliRunner().invoke(app.app, [*words, f"{tmp_path / 'near'}/"])
    assert near.exit_code == 0, near.exception
    for number in range(3):
        found, expected = (
            images.decode(tmp_path / where / f"{number}.png")
            for where in ("far", "near")
        )
        np.testing.assert_array_equal(found, expected)
