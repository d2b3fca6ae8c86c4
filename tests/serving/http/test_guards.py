"""What stands before the app, each guard alone, around apps of a few lines."""

import asyncio
import errno
import hashlib
import json
from pathlib import Path

import httpx
import pytest
from starlette.responses import PlainTextResponse, StreamingResponse

from jaxrestore import errors
from jaxrestore.serving import keys
from jaxrestore.serving.http import bodies, callers, guards, rates, sessions, tokens
from jaxrestore.serving.http.lifetime import Lifetime
from jaxrestore.serving.settings import Settings


async def hello(scope, receive, send):
    await PlainTextResponse("hello")(scope, receive, send)


async def echo(scope, receive, send):
    """Answers how many bytes came."""
    size, more = 0, True
    while more:
        message = await receive()
        size, more = size + len(message.get("body", b"")), message.get("more_body")
    await PlainTextResponse(str(size))(scope, receive, send)


def ask(app, method="GET", path="/", address="10.0.0.1", **more):
    """The answer of an app, as httpx has it; header and body by httpx's names."""

    async def asking():
        transport = httpx.ASGITransport(app, client=(address, 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://a") as to:
            return await to.request(method, path, **more)

    return asyncio.run(asking())


def code(answer):
    """The code of a problem, whose media type is that of RFC 9457."""
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == answer.status_code
    assert answer.json()["detail"].endswith(".")
    return answer.status_code, answer.json()["code"]


def test_every_answer_has_the_headers_and_keeps_its_own():
    async def own(scope, receive, send):
        response = PlainTextResponse("x", headers={"cache-control": "max-age=9"})
        await response(scope, receive, send)

    plain = ask(guards.Headers(hello, secure=False)).headers
    assert {**guards.FIXED}.items() <= dict(plain).items()
    assert "strict-transport-security" not in plain
    secure = ask(guards.Headers(own, secure=True)).headers
    assert secure["strict-transport-security"] == guards.HSTS
    assert secure.get_list("cache-control") == ["max-age=9"]
    assert secure["x-request-id"] != plain["x-request-id"]


def test_the_policy_lets_nothing_in_from_elsewhere_and_no_inline_script():
    rules = {
        rule.partition(" ")[0]: rule.partition(" ")[2]
        for rule in guards.CSP.split("; ")
    }
    assert rules["default-src"] == rules["frame-ancestors"] == "'none'"
    assert rules["script-src"] == rules["style-src"] == "'self'"
    assert "unsafe" not in guards.CSP and "http" not in guards.CSP


def test_a_bug_is_answered_without_its_insides_and_told():
    async def broken(scope, receive, send):
        raise ZeroDivisionError("secret")

    told = []
    answer = ask(guards.Failures(broken, told.append))
    assert code(answer) == (500, "bug") and "secret" not in answer.text
    assert [type(error) for error in told] == [ZeroDivisionError]


def test_a_disk_that_is_full_on_the_way_is_no_bug():
    async def full(scope, receive, send):
        raise OSError(errno.ENOSPC, "No space left on device")

    told = []
    answer = ask(guards.Failures(full, told.append))
    assert code(answer) == (507, "disk_full") and answer.headers["retry-after"]
    assert told == []


@pytest.mark.parametrize(
    ("host", "known"),
    [
        ("a", True),
        ("A:80", True),
        ("[::1]:8080", True),
        ("x.b", True),
        ("b", False),
        ("evil.a", False),
        ("a.evil", False),
        ("a@evil", False),
        ("a/", False),
        ("a:port", False),
        ("", False),
    ],
)
def test_only_its_own_names_are_answered(host, known):
    app = guards.Requests(hello, ("a", "::1", "*.b"))
    answer = ask(app, headers={"host": host})
    assert answer.text == "hello" if known else code(answer) == (400, "host")


def test_whoever_watches_it_may_call_it_by_its_address():
    app = guards.Requests(hello, ("a",))
    for path in ("/healthz", "/readyz"):
        assert ask(app, path=path, headers={"host": "10.1.2.3:80"}).text == "hello"
    assert ask(app, path="/metrics", headers={"host": "10.1.2.3"}).status_code == 400
    two = [("host", "a"), ("host", "b")]
    assert ask(app, path="/healthz", headers=two).status_code == 400


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({f"x{n}": "1" for n in range(101)}, (431, "headers")),
        ({"x": "1" * 40_000}, (431, "headers")),
        ({"content-encoding": "gzip"}, (415, "encoded_body")),
        ([("host", "a"), ("host", "a")], (400, "host")),
    ],
)
def test_odd_requests_are_refused(headers, expected):
    assert code(ask(guards.Requests(hello, ("a",)), headers=headers)) == expected


def test_an_address_with_control_characters_is_refused():
    app = guards.Requests(hello, ("a",))
    assert code(ask(app, path="/x%00y")) == (400, "address")
    assert ask(app, path="/x%20y").text == "hello"


FOREIGN = [
    ({"sec-fetch-site": "cross-site"}, True),
    ({"sec-fetch-site": "same-site", "origin": "http://a"}, True),
    ({"sec-fetch-site": "same-origin"}, False),
    ({"sec-fetch-site": "none"}, False),
    ({"origin": "http://evil"}, True),
    ({"origin": "null"}, True),
    ({"origin": "http://a"}, False),
    ({"origin": "https://friend"}, False),
    ({}, False),
]


@pytest.mark.parametrize(("headers", "foreign"), FOREIGN)
def test_other_sites_change_nothing(headers, foreign):
    app = guards.Origins(hello, ("https://friend",))
    answer = ask(app, "POST", headers=headers)
    assert code(answer) == (403, "foreign") if foreign else answer.text == "hello"
    assert ask(app, "GET", headers=headers).text == "hello"


def test_head_is_get_without_the_body():
    head, get = (ask(guards.Heads(hello), method) for method in ("HEAD", "GET"))
    assert head.headers == get.headers and head.content == b"" != get.content


def bounded(app=echo, path="/x", **settings):
    return bodies.Bodies(app, Settings(folder=Path("unused"), **settings))


async def slowly(parts, seconds):
    for part in parts:
        yield part
        await asyncio.sleep(seconds)


def test_a_body_that_says_it_is_too_large_is_refused_at_once():
    answer = ask(bounded(hello, max_bytes=9), "POST", content=b"x" * (2**20 + 10))
    assert code(answer) == (413, "too_many_bytes")
    assert answer.headers["connection"] == "close"
    assert answer.json()["limit"] == 2**20 + 9
    assert (
        ask(bounded(max_bytes=9), "POST", content=b"x" * (2**20 + 9)).status_code == 200
    )


def test_a_body_that_does_not_say_its_size_is_counted():
    parts = [b"x" * 2**18] * 5
    answer = ask(bounded(max_bytes=9), "POST", content=slowly(parts, 0))
    assert code(answer) == (413, "too_many_bytes")


def test_whatever_the_app_makes_of_a_body_that_is_cut_the_refusal_is_sent():
    async def tolerant(scope, receive, send):
        try:
            await echo(scope, receive, send)
        except Exception:
            await PlainTextResponse("odd", 400)(scope, receive, send)

    answer = ask(
        bounded(tolerant, max_bytes=9), "POST", content=slowly([b"x" * 2**21], 0)
    )
    assert code(answer) == (413, "too_many_bytes")


def test_json_may_be_small_only_and_zip_files_large():
    settings = Settings(folder=Path("unused"))
    limit = lambda path, media: bodies.limit(settings, path, media)
    assert limit("/api/v1/jobs", "application/json; charset=utf-8") == 2**18
    assert limit("/api/v1/images", "image/png") == settings.max_bytes + 2**20
    assert limit("/api/v1/batches", "application/zip") > settings.max_batch_bytes
    assert limit("/api/v1/batches", "application/json") == 2**18


@pytest.mark.parametrize("seconds", [0.01, 30.0])
def test_a_body_has_a_deadline(seconds, monkeypatch):
    """By the time in all, and by its rate once it had a moment to begin."""
    monkeypatch.setattr(bodies, "_GRACE", 0.01)
    app = bounded(body_s=seconds, body_rate=10**6)
    answer = ask(app, "POST", content=slowly([b"x"] * 9, 0.05))
    assert code(answer) == (408, "too_slow")


def test_the_time_that_the_app_takes_is_not_the_clients():
    async def busy(scope, receive, send):
        await asyncio.sleep(0.2)
        await echo(scope, receive, send)

    answer = ask(bounded(busy, body_s=0.1), "POST", content=slowly([b"x"] * 3, 0.001))
    assert answer.text == "3"


def test_an_answer_before_the_end_of_a_body_closes_the_connection():
    left = []

    async def hasty(scope, receive, send):
        await PlainTextResponse("no")(scope, receive, send)

    async def body():
        for part in range(4):
            left.append(part)
            yield b"x"

    answer = ask(bounded(hasty), "POST", content=body())
    assert (answer.text, answer.headers["connection"]) == ("no", "close")
    assert left == [0, 1, 2, 3]  # it was read to its end
    assert "connection" not in ask(bounded(hasty), "GET").headers


def known(app, tokens_=(), local=True):
    signed = sessions.Sessions(b"k" * 32)
    return callers.Callers(app, signed, tokens_, local), signed


async def whoami(scope, receive, send):
    caller = scope["state"]["caller"]
    text = json.dumps([caller.owner, caller.client, caller.listed, caller.admin])
    await PlainTextResponse(text)(scope, receive, send)


def test_a_client_is_limited_by_its_address_whatever_its_session():
    limits = Settings(folder=Path("unused"), address_uploads=2, address_requests=5)
    app, _ = known(rates.Rates(hello, limits))
    post = lambda **more: ask(app, "POST", "/api/v1/images", **more)
    page = {"accept": "text/html"}
    assert [post(headers=page).status_code for _ in range(3)] == [200, 200, 429]
    assert code(post()) == (429, "too_many_uploads")
    assert post().headers["retry-after"] == "30"
    assert post(address="10.0.0.2").status_code == 200
    assert code(ask(app)) == (429, "too_many_requests")
    assert ask(app, path="/healthz").text == "hello"


def test_streams_are_counted_and_end_with_the_server():
    async def follow():
        life, opened = Lifetime(), asyncio.Event()

        async def endless():
            yield b"data: 1\n\n"
            opened.set()
            await asyncio.sleep(60)

        async def streaming(scope, receive, send):
            await StreamingResponse(endless())(scope, receive, send)

        app, _ = known(rates.Streams(streaming, 1, life))
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://a") as to:
            first = asyncio.ensure_future(to.get("/jobs/1/events"))
            await opened.wait()
            refused = await to.get("/jobs/2/live")
            life.ending.set()
            ended = await first
            return refused, ended, life.streams.total()

    refused, ended, left = asyncio.run(follow())
    assert code(refused) == (429, "too_many_streams")
    assert ended.content == b"data: 1\n\n" and left == 0


def test_whoever_hears_the_end_of_a_stream_may_follow_another():
    async def follow():
        life, counted = Lifetime(), []

        async def parts():
            yield b"data: 1\n\n"

        async def streaming(scope, receive, send):
            await StreamingResponse(parts())(scope, receive, send)

        async def seen(scope, receive, send):
            async def sending(message):
                counted.append((message.get("more_body"), life.streams.total()))
                await send(message)

            await rates.Streams(streaming, 1, life)(scope, receive, sending)

        app, _ = known(seen)
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://a") as to:
            await to.get("/jobs/1/events")
        return counted

    assert asyncio.run(follow()) == [(None, 1), (True, 1), (False, 0)]


def test_a_page_gives_a_session_that_only_this_key_can_have_signed():
    app, signed = known(whoami)
    answer = ask(app, headers={"accept": "text/html"})
    cookie = answer.headers["set-cookie"]
    for flag in ("HttpOnly", "SameSite=Strict", "Path=/"):
        assert flag in cookie
    pair = cookie.split(";")[0]
    again = ask(app, headers={"cookie": f"other=1; {pair}"})
    assert again.json() == answer.json() and "set-cookie" not in again.headers
    assert again.json()[0].startswith("session:")
    forged = ask(app, headers={"cookie": pair[:-1] + ("0" if pair[-1] != "0" else "1")})
    assert forged.json() == ["address:10.0.0.1", "address:10.0.0.1", False, True]
    assert sessions.Sessions(b"o" * 32).read(pair) is None
    assert "Secure" in sessions.Sessions(b"k" * 32, secure=True).cookie(signed.new())


def test_an_answer_that_sets_a_cookie_itself_is_left_alone():
    async def own(scope, receive, send):
        await PlainTextResponse("x", headers={"set-cookie": "a=1"})(
            scope, receive, send
        )

    answer = ask(known(own)[0], headers={"accept": "text/html"})
    assert answer.headers.get_list("set-cookie") == ["a=1"]


SAID = {"user": "a" * 20, "admin": "b" * 20}


@pytest.fixture
def tokens_file(tmp_path):
    place = tmp_path / "tokens"
    lines = [
        f"{hashlib.sha256(said.encode()).hexdigest()} {scope} of {scope}\n"
        for scope, said in SAID.items()
    ]
    place.write_text("# those who may\n\n" + "".join(lines))
    return place


def bearer(scope):
    return {"authorization": f"Bearer {SAID[scope]}"}


def test_with_tokens_nobody_else_comes_in(tokens_file):
    app, _ = known(whoami, tokens.read(tokens_file))
    answer = ask(app)
    assert code(answer) == (401, "no_token")
    assert answer.headers["www-authenticate"].startswith("Bearer")
    wrong = ask(app, headers={"authorization": "Bearer wrong"})
    assert "is not known" in wrong.json()["detail"]
    led = ask(app, path="/edit/1", headers={"accept": "text/html"})
    assert (led.status_code, led.headers["location"]) == (303, "/login?next=/edit/1")
    assert ask(app, "POST", headers={"accept": "text/html"}).status_code == 401
    assert ask(app, path="/healthz").json()[2] is False
    owner, client, listed, admin = ask(app, headers=bearer("user")).json()
    assert owner == client == f"token:{tokens.read(tokens_file)[0].mark}"
    assert listed and not admin


def test_what_is_for_administrators_is_for_them_alone(tokens_file):
    app, _ = known(whoami, tokens.read(tokens_file))
    for path in ("/metrics", "/records", "/api/v1/records/summary", "/records.csv"):
        answer = ask(app, path=path, headers=bearer("user"))
        assert code(answer) == (403, "not_admin")
        assert ask(app, path=path, headers=bearer("admin")).json()[3] is True
    assert ask(known(whoami)[0], path="/metrics").json()[3] is True
    assert ask(known(whoami, local=False)[0], path="/metrics").status_code == 403


def test_a_session_that_was_opened_with_a_token_ends_with_it(tokens_file):
    both = tokens.read(tokens_file)
    app, signed = known(whoami, both)
    cookie = signed.cookie(signed.new(both[1].mark)).split(";")[0]
    assert ask(app, headers={"cookie": cookie}).json()[3] is True
    left, _ = known(whoami, both[:1])
    assert ask(left, headers={"cookie": cookie}).status_code == 401


def test_a_token_is_found_by_what_it_is_and_nothing_else(tokens_file):
    both = tokens.read(tokens_file)
    assert tokens.find(both, SAID["admin"]) == both[1]
    assert tokens.find(both, both[1].sha256) is None and tokens.find(both, "") is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "no token"),
        ("# nothing\n", "no token"),
        ("secret user\n", "line 1"),
        ("a" * 64 + " boss\n", "line 1"),
        (b"\xff\xfe", "cannot be read"),
        (None, "cannot be read"),
    ],
)
def test_a_file_of_tokens_that_is_none_is_refused(tmp_path, text, told):
    place = tmp_path / "tokens"
    if text is not None:
        place.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(errors.UserError, match=told):
        tokens.read(place)


def test_the_key_of_sessions_is_kept_for_us_alone(tmp_path):
    key = keys.of(tmp_path / "made")
    place = tmp_path / "made" / "session.key"
    assert keys.of(tmp_path / "made") == key and len(key) == 32
    assert place.stat().st_mode & 0o077 == 0
    place.write_bytes(b"short")
    assert keys.of(tmp_path / "made") not in (key, b"short")
