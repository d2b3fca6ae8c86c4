"""What goes over the wire to a real server on loopback: requests that no client makes.

Each is answered with one problem, after which the connection is closed; nothing that
is hidden in it is taken for a second request.
"""

import contextlib
import json
import re
import socket
import threading
import time

import pytest
from serving.http import live, whole

from jaxrestore.serving.http import bodies

HOST = b"Host: localhost\r\n"
SECOND = b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n"


@pytest.fixture(scope="module")
def port(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    limits = {"max_bytes": 2**20, "owner_uploads": 10_000, "address_uploads": 10_000}
    settings = whole.settings(folder, header_s=0.3, body_s=0.4, write_s=0.4, **limits)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bodies, "_LEFT_S", 0.2)
        with live.served(settings, whole.app(settings)) as port:
            yield port


def get(*lines, path=b"/healthz"):
    head = b"".join(line + b"\r\n" for line in lines)
    return b"GET " + path + b" HTTP/1.1\r\n" + head + b"\r\n"


def post(*lines, body=b"", path=b"/api/v1/images", host=HOST):
    head = b"".join(line + b"\r\n" for line in lines)
    return b"POST " + path + b" HTTP/1.1\r\n" + host + head + b"\r\n" + body


def answers(heard):
    """Status, headers and body of each answer in what came over the wire."""
    found = []
    while heard:
        head, heard = heard.split(b"\r\n\r\n", 1)
        first, *lines = head.decode().split("\r\n")
        headers = {n.lower(): v for n, v in (line.split(": ", 1) for line in lines)}
        size = int(headers.get("content-length", len(heard)))
        found.append((int(first.split()[1]), headers, heard[:size]))
        heard = heard[size:]
    return found


GOOD = b"Host: localhost"
HOSTILE = {
    "no http at all": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", {400}),
    "a line of noise": (b"abc\r\n\r\n", {400}),
    "a method that is none": (b"GE T / HTTP/1.1\r\n\r\n", {400}),
    "no version": (b"GET /\r\n\r\n", {400, 505}),
    "http 0.9": (b"GET / HTTP/0.9\r\n" + HOST + b"\r\n", {400, 505}),
    "http 2 in words": (b"GET / HTTP/2.0\r\n" + HOST + b"\r\n", {400, 505}),
    "http 9": (b"GET / HTTP/9.9\r\n" + HOST + b"\r\n", {400, 505}),
    "the preface of http 2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {400}),
    "no host": (get(path=b"/docs"), {400}),
    "two hosts": (get(GOOD, b"Host: evil"), {400}),
    "the same host twice": (get(GOOD, GOOD), {400}),
    "another host": (get(b"Host: evil.example", path=b"/docs"), {400}),
    "a host that hides another": (get(b"Host: localhost@evil", path=b"/docs"), {400}),
    "an empty host": (get(b"Host:", path=b"/docs"), {400}),
    "a space before the colon": (get(b"Host : localhost"), {400}),
    "a header without a colon": (get(GOOD, b"X"), {400}),
    "a header without a name": (get(GOOD, b": x"), {400}),
    "a folded header": (get(GOOD, b"X: a\r\n b"), {400}),
    "a nul in a header": (get(GOOD, b"X: a\x00b"), {400}),
    "a lone line feed": (b"GET /healthz HTTP/1.1\nHost: localhost\n\n", {400}),
    "a lone carriage return": (get(GOOD, b"X: a\rY: b"), {400}),
    "a nul in the address": (get(GOOD, path=b"/healthz\x00"), {400}),
    "a nul in the address, escaped": (get(GOOD, path=b"/healthz%00"), {400}),
    "a line in the address, escaped": (get(GOOD, path=b"/a%0d%0aX:%20b"), {400}),
    "a long address": (get(GOOD, path=b"/" + b"a" * 70_000), {400, 431}),
    "an address of 10,000 letters": (get(GOOD, path=b"/" + b"a" * 10_000), {414}),
    "a large header": (get(GOOD, b"X: " + b"a" * 70_000), {431}),
    "a header of a mebibyte": (get(GOOD, b"X: " + b"a" * 2**20), {431}),
    "10,000 headers": (get(GOOD, *[b"X: a"] * 10_000), {431}),
    "200 headers": (get(GOOD, *[b"X: a"] * 200), {431}),
    "length and chunks": (
        post(b"Content-Length: 5", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
        {400},
    ),
    "chunks and length": (
        post(b"Transfer-Encoding: chunked", b"Content-Length: 5", body=b"0\r\n\r\n"),
        {400},
    ),
    "two lengths": (
        post(b"Content-Length: 5", b"Content-Length: 0", body=b"hello"),
        {400},
    ),
    "the same length twice": (post(*[b"Content-Length: 5"] * 2, body=b"hello"), {400}),
    "two lengths in one": (post(b"Content-Length: 5, 5", body=b"hello"), {400}),
    "a negative length": (post(b"Content-Length: -5", body=b"hello"), {400}),
    "a signed length": (post(b"Content-Length: +5", body=b"hello"), {400}),
    "a length in hex": (post(b"Content-Length: 0x5", body=b"hello"), {400}),
    "a length of many digits": (post(b"Content-Length: " + b"9" * 30), {400, 413}),
    "a large length": (post(b"Content-Length: 99999999999"), {413}),
    "chunked, but not last": (
        post(b"Transfer-Encoding: chunked, gzip", body=b"0\r\n\r\n"),
        {400},
    ),
    "another coding": (post(b"Transfer-Encoding: xchunked", body=b"0\r\n\r\n"), {400}),
    "chunked in quotes": (
        post(b'Transfer-Encoding: "chunked"', body=b"0\r\n\r\n"),
        {400},
    ),
    "a vertical tab": (
        post(b"Transfer-Encoding: \x0bchunked", body=b"0\r\n\r\n"),
        {400},
    ),
    "a chunk of no size": (
        post(b"Transfer-Encoding: chunked", body=b"\r\nhello\r\n0\r\n\r\n"),
        {400},
    ),
    "a chunk of a wrong size": (
        post(b"Transfer-Encoding: chunked", body=b"2\r\nhello\r\n0\r\n\r\n"),
        {400},
    ),
    "a chunk of a huge size": (
        post(b"Transfer-Encoding: chunked", body=b"f" * 17 + b"\r\nhello"),
        {400},
    ),
    "a chunk that ends in a line feed": (
        post(b"Transfer-Encoding: chunked", body=b"5\nhello\n0\n\n"),
        {400},
    ),
    "a body that is packed": (
        post(b"Content-Encoding: gzip", b"Content-Length: 3", body=b"abc"),
        {415},
    ),
    "from another site": (
        post(b"Origin: http://evil", b"Content-Length: 3", body=b"abc"),
        {403},
    ),
    "a method that nothing has": (
        b"BREW /healthz HTTP/1.1\r\n" + HOST + b"\r\n",
        {400, 405},
    ),
    "a tunnel": (b"CONNECT evil:443 HTTP/1.1\r\n" + HOST + b"\r\n", {400, 404, 405}),
    "a trace": (b"TRACE / HTTP/1.1\r\n" + HOST + b"\r\n", {404, 405}),
}
# Those after which a connection may go on, so that the second request is a second one.
WHOLE = {"a nul in the address, escaped", "a line in the address, escaped", "a trace"}
WHOLE |= {"a tunnel", "a method that nothing has"}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_request_is_refused_and_nothing_hides_in_it(port, name):
    raw, expected = HOSTILE[name]
    if name in WHOLE:
        raw = raw[:-2] + b"Connection: close\r\n\r\n"
    else:
        raw += SECOND
    heard = answers(live.talk(port, raw, seconds=5))
    assert len(heard) == 1, heard
    status, headers, body = heard[0]
    assert status in expected
    assert headers["content-type"] == "application/problem+json"
    assert headers["connection"] == "close"
    assert headers["x-content-type-options"] == "nosniff"
    assert json.loads(body)["status"] == status
    # The server is as well as before.
    assert answers(live.talk(port, get(GOOD, b"Connection: close")))[0][0] == 200


def test_there_are_enough_of_them():
    assert len(HOSTILE) >= 40


def test_honest_requests_may_follow_each_other(port):
    heard = answers(live.talk(port, SECOND + SECOND + get(GOOD, b"Connection: close")))
    assert [status for status, _, _ in heard] == [200, 200, 200]


def test_a_trailer_is_no_header(port):
    """It would come after the guards have looked."""
    body = b"2\r\n{}\r\n0\r\nContent-Type: application/json\r\n\r\n"
    lines = (b"Transfer-Encoding: chunked", b"Connection: close", b"Content-Type: a/b")
    heard = answers(live.talk(port, post(*lines, body=body, path=b"/api/v1/jobs")))
    assert [status for status, _, _ in heard] == [415]


def took(port, *parts, pause=0.0):
    began = time.monotonic()
    heard = answers(live.talk(port, *parts, pause=pause, seconds=5))
    return heard, time.monotonic() - began


@pytest.mark.parametrize(
    "parts",
    [[b"G"], [b"GET /healthz HTTP/1.1\r\nHo"], [SECOND[:-2], *[b"X: y\r\n"] * 9]],
)
def test_headers_that_do_not_come_end_in_408(port, parts):
    heard, seconds = took(port, *parts, pause=0.05)
    assert heard[0][0] == 408 and json.loads(heard[0][2])["code"] == "too_slow"
    assert 0.2 < seconds < 2


def test_a_connection_that_says_nothing_is_ended(port):
    heard, seconds = took(port)
    assert heard[0][0] == 408 and 0.2 < seconds < 2


BODY = post(b"Content-Type: image/png", b"Content-Length: 900")
CHUNKS = post(b"Content-Type: image/png", b"Transfer-Encoding: chunked")


@pytest.mark.parametrize(
    ("head", "part"),
    [(BODY, b""), (BODY, b"x"), (CHUNKS, b"1\r\nx\r\n"), (CHUNKS, b"")],
)
def test_a_body_that_does_not_come_ends_in_408_by_us(port, head, part):
    heard, seconds = took(port, head, *[part] * 9, pause=0.05)
    assert [status for status, _, _ in heard] == [408]
    assert json.loads(heard[0][2])["code"] == "too_slow"
    assert heard[0][1]["connection"] == "close" and 0.3 < seconds < 3


def test_a_body_that_never_ends_is_counted(port):
    """In chunks, so that nothing says how long it will be."""
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    heard = answers(live.talk(port, CHUNKS, chunk * 40, seconds=5))
    assert [(status, headers["connection"]) for status, headers, _ in heard] == [
        (413, "close")
    ]


def test_a_client_that_waits_to_be_told_is_refused_without_being_told_to_go_on(port):
    head = post(b"Expect: 100-continue", b"Content-Length: 99999999999")
    heard = live.talk(port, head, seconds=5)
    assert heard.startswith(b"HTTP/1.1 413 ")
    assert not re.search(rb"100 Continue", heard)


def test_slow_clients_do_not_slow_down_a_good_one(port):
    """The 500 of the slow tests are 100 here."""
    with contextlib.ExitStack() as stack:
        for number in range(100):
            mouth = socket.create_connection(("127.0.0.1", port))
            stack.enter_context(contextlib.closing(mouth))
            mouth.sendall(BODY if number % 2 else b"GET /heal")
        times = []
        for _ in range(20):
            began = time.monotonic()
            live.talk(port, get(GOOD, b"Connection: close"))
            times.append(time.monotonic() - began)
        assert max(times) < 0.5


@pytest.mark.slow
def test_a_client_that_does_not_read_is_dropped(port):
    """The answers to many requests fill its window; then the server waits no longer."""
    request = b"GET /openapi.json HTTP/1.1\r\n" + HOST + b"\r\n"
    with socket.socket() as mouth:
        mouth.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        mouth.connect(("127.0.0.1", port))
        done = threading.Event()

        def ask():
            with contextlib.suppress(OSError):
                for _ in range(2000):
                    mouth.sendall(request)
            done.set()

        threading.Thread(target=ask, daemon=True).start()
        time.sleep(1.5)
        with contextlib.suppress(OSError):
            mouth.settimeout(3)
            while mouth.recv(2**20):
                pass
        assert done.wait(3)  # it was told so, and did not wait for ever
