import httpx
import pytest
from distant import Distant, problem

from jaxrestore import errors
from jaxrestore.remote import server

URL = "http://127.0.0.1:8080"


class Clock:
    """Time that passes where somebody waits."""

    def __init__(self, monkeypatch):
        self.now, self.waits = 0.0, []
        monkeypatch.setattr(server.Server, "pause", lambda _, s: self.pause(s))

    def pause(self, seconds):
        self.waits.append(seconds)
        self.now += seconds

    def __call__(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


def there(distant, clock=lambda: 0.0, **options):
    return server.Server(URL, clock=clock, transport=distant.transport, **options)


def in_turn(*answers):
    """What answers, or is raised, in place of the first requests; then nothing."""
    left = [*answers]

    def before(request):
        answer = left.pop(0) if left else None
        if isinstance(answer, Exception):
            raise answer
        return answer

    return before


@pytest.mark.parametrize(
    ("url", "token", "message"),
    [
        ("restore.example.com", None, "is no address of a server; give one such as"),
        ("ftp://a", None, "is no address"),
        ("http://", None, "is no address"),
        ("http://a:b", None, "is no address"),
        ("http://[::1", None, "is no address"),
        ("http://a/?q=1", None, "is no address"),
        ("http://me:secret@a", None, "holds no name or password"),
        ("http://a", "secret", "no encryption, so that others could read the token"),
        (URL, "sécret", "letters that neither can have"),
    ],
)
def test_an_address_of_no_use_is_told_without_asking_anybody(url, token, message):
    with pytest.raises(errors.ConfigError, match=message) as caught:
        server.Server(url, token=token)
    assert "secret" not in str(caught.value).replace("sécret", "")


@pytest.mark.parametrize("url", [URL, "http://localhost/", "https://a.example/below/"])
def test_a_token_goes_to_a_server_nearby_or_encrypted(url):
    assert not server.checked(url, "secret").endswith("/")


def test_the_token_and_the_version_are_said_with_every_request():
    distant = Distant(token="secret")
    assert there(distant, token="secret").ask("GET", "tasks").json["tasks"]
    (_, path, request), *_ = distant.heard
    assert path == "/api/v1/tasks"
    assert request.headers["user-agent"].startswith("jaxrestore/")
    with pytest.raises(
        errors.ConfigError, match=r"wants another token .A token is need"
    ):
        there(distant, token="other").ask("GET", "tasks")


@pytest.mark.parametrize("status", [429, 503, 507])
def test_a_busy_server_is_asked_again_when_it_says(clock, status):
    distant = Distant()
    busy = problem(status, "busy", "Too much at once.", retry_after=7)
    distant.before = in_turn(busy, busy)
    assert there(distant, clock).ask("GET", "tasks").status == 200
    assert clock.waits == [7.0, 7.0]


@pytest.mark.parametrize("what", [httpx.ConnectError("refused"), httpx.ReadError("x")])
def test_a_server_that_was_there_is_waited_for(clock, what):
    distant = Distant()
    distant.before = in_turn(None, what, httpx.Response(502), what)
    web = there(distant, clock)
    web.ask("GET", "tasks")
    assert web.ask("GET", "tasks").status == 200
    assert clock.waits == [0.25, 0.5, 1.0]


def test_a_server_that_was_never_there_is_told_at_once(clock):
    distant = Distant()
    distant.before = in_turn(httpx.ConnectError("[Errno 111] Connection refused"))
    with pytest.raises(errors.ServerError, match=r"cannot be reached .* refused"):
        there(distant, clock).ask("GET", "tasks")
    assert clock.waits == []


def test_patience_ends_and_says_what_the_server_said(clock):
    distant = Distant()
    distant.before = lambda request: problem(503, "full", "The queue is full.", 30)
    with pytest.raises(
        errors.ServerError, match=r"no time for this .The queue is full"
    ):
        there(distant, clock, patience=100).ask("GET", "tasks")
    assert sum(clock.waits) == 90


def test_a_post_that_is_repeated_says_that_it_is_the_same(clock):
    distant = Distant()
    distant.before = in_turn(None, httpx.ReadTimeout("x"), httpx.ReadTimeout("x"))
    web = there(distant, clock)
    web.ask("GET", "tasks")
    with pytest.raises(server.Refused):
        web.ask("POST", "images", content=b"x")
    with pytest.raises(server.Refused):
        web.ask("POST", "images", content=b"x")
    keys = [request.headers["idempotency-key"] for _, _, request in distant.heard[1:]]
    assert len(keys) == 4 and len({*keys[:3]}) == 1 and keys[3] != keys[0]


def test_what_a_server_refuses_is_its_sentence_and_steers_no_terminal():
    distant = Distant()
    told = problem(422, "unusable", f"It is\x1b[2J animated\n{'x' * 400}.")
    distant.before = in_turn(told)
    with pytest.raises(server.Refused) as caught:
        there(distant).ask("GET", "jobs/1")
    assert (caught.value.status, caught.value.code) == (422, "unusable")
    said = str(caught.value)
    assert said.startswith("It is [2J animated x") and len(said) <= 300
    assert said.isprintable()


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        (httpx.Response(404, text="<html>"), errors.ServerError, "HTTP 404 and no rea"),
        (httpx.Response(500, json=[]), errors.ServerError, "HTTP 500 and no reason"),
        (
            httpx.Response(301, headers={"location": "https://a/"}),
            errors.ConfigError,
            "sends whoever asks to https://a/; give that address",
        ),
        (httpx.DecodingError("bad gzip"), errors.ServerError, "nobody can read"),
    ],
)
def test_what_is_no_server_of_ours_is_told(answer, error, message):
    distant = Distant()
    distant.before = in_turn(answer)
    with pytest.raises(error, match=message):
        there(distant).ask("GET", "tasks")


def test_who_waits_for_a_server_can_be_stopped():
    web = there(Distant())
    web.stop()
    with pytest.raises(errors.ServerError, match="not waited for any more"):
        web.pause(60)
