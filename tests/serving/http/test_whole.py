"""The app as a whole: what it imports, what it opens, how it is described, its end."""

import asyncio
import contextlib
import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import httpx
import hypothesis
import numpy as np
import pytest
import schemathesis
from hypothesis.errors import Unsatisfiable
from schemathesis.core.result import Ok
from schemathesis.specs.openapi import checks
from serving.http import live, whole
from starlette.responses import HTMLResponse

from jaxrestore.serving.http import server
from jaxrestore.serving.http.api import events, schemas
from jaxrestore.serving.pages import site

ROOT = Path(__file__).parents[3]
API = "/api/v1"
GREY = np.full((16, 16), 99, np.uint8)
ALONE = """
import sys
from jaxrestore.serving.http import assembly, server
print(*sorted(name for name in sys.modules if name.split(".")[0] in
              ("jax", "jaxlib", "flax", "matplotlib", "scipy", "skimage")))
"""


def test_the_web_process_never_imports_jax():
    command = [sys.executable, "-c", ALONE]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.split() == []


def names(count, seed=0):
    """Names that clients may make up for a path, an id or a file; none is honest."""
    draw = np.random.default_rng(seed)
    parts = ["..", "../", "..\\", "%2e%2e%2f", "..%2f", "%c0%ae", "%00", "\x00", "/"]
    parts += ["etc/passwd", "CON", "file:///etc/passwd", "~", "$HOME", "*", "?", "\n"]
    parts += ["http://127.0.0.1/", "\\\\host\\share", "C:\\", "a" * 300, "é", "🙂", "‮"]
    parts += ["0" * 32, "session.key", "records.sqlite", ".", " ", "'", '"', ";", "|"]
    for _ in range(count):
        chosen = draw.choice(len(parts), draw.integers(1, 6))
        yield "".join(parts[one] for one in chosen)


_OPENED = []


def _hook(event, arguments):
    touching = ("open", "os.listdir", "os.scandir", "os.remove", "os.rename")
    if _OPENED and event in touching:
        _OPENED[-1].append(str(arguments[0]))


@pytest.fixture
def opened():
    """All paths that this process opens, lists or removes from now on."""
    if not getattr(_hook, "added", False):  # a hook cannot be removed
        sys.addaudithook(_hook)
        _hook.added = True
    _OPENED.append([])
    yield _OPENED[-1]
    _OPENED.pop()


async def _attack(made, count):
    seen = []
    async with whole.client(made) as to:
        for number, name in enumerate(names(count)):
            escaped = quote(name, safe="" if number % 2 else "/%:")
            kind = number % 8
            if kind < 6:
                place = (
                    f"{API}/images/{{}}",
                    f"{API}/images/{{}}/preview",
                    f"{API}/jobs/{{}}/result",
                    f"{API}/batches/{{}}/result.zip",
                    "/static/{}",
                    "/{}",
                )[kind].format(escaped)
                answer = await to.get(place)
            elif kind == 6:
                answer = await to.post(
                    f"{API}/jobs", json={"image_id": name, "task": name[:64]}
                )
            else:
                answer = await to.post(
                    f"{API}/images", files={"file": (name, live.png(GREY))}
                )
                if answer.status_code == 201:
                    job = await to.post(
                        f"{API}/jobs",
                        json={"image_id": answer.json()["id"], "task": "denoise"},
                        headers={"prefer": "wait=5"},
                    )
                    result = await to.get(job.json()["links"]["result"])
                    said = result.headers["content-disposition"]
                    plain = re.search('filename="([^"]*)"', said)
                    assert plain and not set(plain[1]) & set('/\\"\n\r\0')
            seen.append(answer.status_code)
    return seen


@pytest.mark.parametrize("count", [64, pytest.param(2000, marks=pytest.mark.slow)])
def test_no_name_reaches_a_file_outside_the_spool(tmp_path, opened, count):
    limits = {"owner_uploads": 10**6, "address_uploads": 10**6, "owner_jobs": 64}
    settings = whole.settings(tmp_path / "served", **limits)
    made = whole.app(settings, delay=0.0)
    asyncio.run(_attack(made, 8))  # what is imported late is imported now
    opened.clear()
    seen = asyncio.run(_attack(whole.app(settings, delay=0.0), count))
    assert len(seen) == count and max(seen) < 500
    assert {200, 201} & set(seen) and {404, 422} & set(seen)
    spool = str(settings.spool_folder)
    beside = ("/proc/", "/dev/", "/sys/", str(settings.folder))
    system = (sys.prefix, sys.base_prefix, str(ROOT / "jaxrestore"))
    outside = {
        path
        for path in opened
        if "/" in path and not path.startswith((spool, *beside, *system))
    }
    assert outside == set()
    assert any(path.startswith(spool) for path in opened)


def test_the_description_is_whole(tmp_path):
    schema = whole.app(whole.settings(tmp_path)).openapi()
    assert schema["openapi"].startswith("3.1")
    operations = [one for path in schema["paths"].values() for one in path.values()]
    assert len({one["operationId"] for one in operations}) == len(operations) >= 25
    assert all(one["summary"] and one["tags"] for one in operations)
    text = json.dumps(schema)
    for name in set(re.findall(r"#/components/schemas/(\w+)", text)):
        assert name in schema["components"]["schemas"], name
    assert "HTTPValidationError" not in text
    for one in operations:
        for status, answer in one["responses"].items():
            if int(status) >= 400:
                assert [*answer["content"]] == ["application/problem+json"]


UNHURRIED = [
    hypothesis.HealthCheck.data_too_large,
    hypothesis.HealthCheck.filter_too_much,
    hypothesis.HealthCheck.too_slow,
]
CHECKS = [
    checks.allow_header_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.status_code_conformance,
    checks.unsupported_method,
]


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("examples", [200])
def test_the_app_does_as_its_description_says(tmp_path, examples):
    """Schemathesis sends what the description allows, and what it does not."""
    many = dict.fromkeys(("owner_uploads", "address_uploads", "owner_jobs"), 10**6)
    settings = whole.settings(tmp_path, address_requests=10**6, max_wait_s=0.1, **many)
    made = whole.app(settings, delay=0.0)
    schema = schemathesis.openapi.from_dict(made.openapi())
    found = []

    def tried(operation, mode, place):
        @hypothesis.settings(
            max_examples=examples,
            database=None,
            deadline=None,
            derandomize=True,
            phases=[hypothesis.Phase.generate],
            suppress_health_check=UNHURRIED,
        )
        @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
        def send(case):
            answer = case.call(base_url=place, timeout=20)
            found.append((answer.status_code, operation.label))
            case.validate_response(answer, checks=CHECKS)
            if answer.status_code != 414:  # which Schemathesis takes for consent
                case.validate_response(answer, checks=[checks.negative_data_rejection])

        with contextlib.suppress(Unsatisfiable):  # it takes nothing
            send()

    with live.served(settings, made) as port:
        for result in schema.get_all_operations():
            assert isinstance(result, Ok), result
            for mode in schemathesis.GenerationMode:
                tried(result.ok(), mode, f"http://localhost:{port}")
    assert len({label for _, label in found}) >= 25
    assert not [one for one in found if one[0] >= 500 and "/readyz" not in one[1]]


def test_no_request_waits_for_a_thread(tmp_path, monkeypatch):
    """FastAPI calls in a thread what is not `async`, a dependency as well."""
    asked = []

    async def in_a_thread(function, *arguments, **options):
        asked.append(function)
        return function(*arguments, **options)

    for place in ("routing", "dependencies.utils"):
        monkeypatch.setattr(f"fastapi.{place}.run_in_threadpool", in_a_thread)

    async def ask():
        made = whole.app(whole.settings(tmp_path), delay=0.0)
        site.install(made)
        page = {"accept": "text/html"}
        async with whole.client(made) as to:
            sent = await to.post(f"{API}/images", content=live.png(GREY))
            image = f"{API}/images/{sent.json()['id']}"
            order = {"image_id": sent.json()["id"], "task": "denoise"}
            wait = {"prefer": "wait=5"}
            done = (await to.post(f"{API}/jobs", json=order, headers=wait)).json()
            job = f"{API}/jobs/{done['id']}"
            places = ["/healthz", "/readyz", "/metrics", "/docs", f"{API}/tasks", image]
            places += [f"{image}/preview", job, done["links"]["result"]]
            codes = [(await to.get(one)).status_code for one in places]
            places = ["/", f"/edit/{order['image_id']}", f"/jobs/{done['id']}"]
            places += ["/history", "/batch", "/privacy"]
            codes += [(await to.get(p, headers=page)).status_code for p in places]
        return codes

    assert set(asyncio.run(ask())) == {200}
    assert asked == []


def test_ready_and_alive_are_two_things(tmp_path):
    async def look():
        made = whole.app(whole.settings(tmp_path), warm=False)
        async with whole.client(made) as to:
            cold = [await to.get(path) for path in ("/healthz", "/readyz")]
            made.state.service.engine.warmed()
            warm = await to.get("/readyz")
            made.state.lifetime.draining = True
            image = await to.post(f"{API}/images", content=live.png(GREY))
            ends = [await to.get("/readyz"), image, await to.get("/healthz")]
            counts = await to.get("/metrics")
        return cold, warm, ends, counts

    cold, warm, ends, counts = asyncio.run(look())
    assert [one.status_code for one in cold] == [200, 503]
    assert cold[1].json()["code"] == "not_ready" and cold[1].headers["retry-after"]
    assert warm.status_code == 200
    assert [one.status_code for one in ends] == [503, 503, 200]
    assert ends[1].json()["code"] == "draining"
    assert 'code="503",method="POST"' in counts.text


def test_other_sites_may_call_it_if_they_are_named(tmp_path):
    friend, stranger = "https://friend.example", "https://stranger.example"

    async def calls(settings):
        found = []
        async with whole.client(whole.app(settings)) as to:
            for origin in (friend, stranger):
                headers = {"origin": origin, "sec-fetch-site": "cross-site"}
                ask = {"access-control-request-method": "POST"}
                early = await to.options(f"{API}/images", headers={**headers, **ask})
                sent = await to.post(f"{API}/images", content=b"", headers=headers)
                allowed = early.headers.get("access-control-allow-origin")
                found.append((allowed, sent.status_code == 403))
        return found

    named = whole.settings(tmp_path, origins=(friend,))
    assert asyncio.run(calls(named)) == [(friend, False), (None, True)]
    plain = whole.settings(tmp_path)
    assert asyncio.run(calls(plain)) == [(None, True), (None, True)]


def test_who_looks_at_pages_is_told_by_pages(tmp_path):
    async def look():
        made = whole.app(whole.settings(tmp_path, address_requests=2))
        made.state.error_page = lambda request, refusal: HTMLResponse(
            refusal.title, refusal.status
        )
        async with whole.client(made, headers={"accept": "text/html"}) as to:
            answers = [await to.get(path) for path in ("/none", f"{API}/none", "/x")]
        return answers

    page, api, often = asyncio.run(look())
    assert (page.status_code, page.text) == (404, "Not found")
    assert api.json()["code"] == "not_found"
    assert (often.status_code, often.text) == (429, "Too many requests")
    assert often.headers["retry-after"] and often.headers["connection"] == "close"


def test_a_stream_says_that_it_lives_while_nothing_happens():
    async def follow():
        async def slow():
            yield schemas.Health(ok=True, reasons=[])
            await asyncio.sleep(0.1)
            yield schemas.Health(ok=False, reasons=[])

        return [part async for part in events.events("job", slow(), None, ping=0.02)]

    parts = asyncio.run(follow())
    kinds = [part.partition(b":")[0] for part in parts]
    assert kinds[:2] == [b"retry", b"event"] and kinds[-1] == b"event"
    assert set(kinds[2:-1]) == {b""} and parts[2].startswith(b": ping")


def test_a_proxy_comes_in_by_a_socket_and_says_who_asks(tmp_path):
    place = tmp_path / "ear"
    settings = whole.settings(tmp_path / "served", socket=place, address_requests=3)
    with live.served(settings, whole.app(settings)):
        assert place.stat().st_mode & 0o777 == 0o660
        for_ = lambda address: {"x-forwarded-for": address}
        with httpx.Client(
            transport=httpx.HTTPTransport(uds=str(place)), base_url=whole.LOCAL
        ) as to:
            ask = lambda path, address: to.get(path, headers=for_(address)).status_code
            assert [ask("/docs", "10.0.0.1") for _ in range(4)] == [200] * 3 + [429]
            assert ask("/docs", "10.0.0.2") == 200
            assert ask("/metrics", "127.0.0.1") == 403  # who is near is not known here
    assert not place.exists()
    with server.listening(settings):  # and a socket that is left behind is no hindrance
        pass


def test_a_server_that_is_told_to_end_lets_what_runs_end(tmp_path):
    process, place = live.started(tmp_path, 0.6)
    with process, httpx.Client(base_url=place, timeout=10) as to:
        image = to.post(f"{API}/images", content=live.png(GREY)).json()["id"]
        asked = {"image_id": image, "task": "denoise"}
        job = to.post(f"{API}/jobs", json=asked).json()
        process.send_signal(signal.SIGTERM)
        while to.get("/readyz").status_code == 200:
            pass
        assert to.post(f"{API}/jobs", json=asked).json()["code"] == "draining"
        done = to.get(job["links"]["self"], headers={"prefer": "wait=5"}).json()
        assert done["status"] == "done"
        assert process.wait(10) == 128 + signal.SIGTERM
        assert process.stderr.read() == "error: ended\n"


@pytest.mark.parametrize(
    ("hurried", "unfinished", "said"),
    [
        (False, 0, "ended"),
        (True, 0, "ended at once"),
        (False, 1, "ended; 1 job waits for the next start"),
        (True, 3, "ended at once; 3 jobs wait for the next start"),
    ],
)
def test_at_its_end_it_says_what_is_left(hurried, unfinished, said):
    assert server._farewell(hurried, unfinished) == said


@pytest.mark.slow
def test_a_second_signal_ends_it_at_once(tmp_path):
    process, place = live.started(tmp_path, 60.0)
    with process, httpx.Client(base_url=place, timeout=10) as to:
        image = to.post(f"{API}/images", content=live.png(GREY)).json()["id"]
        to.post(f"{API}/jobs", json={"image_id": image, "task": "denoise"})
        process.send_signal(signal.SIGINT)
        while to.get("/readyz").status_code == 200:
            pass
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 128 + signal.SIGINT
        ended = "error: ended at once; 1 job waits for the next start\n"
        assert process.stderr.read() == ended
