"""The pages of a perceptual study, asked over a socket and inside a whole server."""

import asyncio
import base64
import errno
import hashlib
import http.client
import importlib.resources
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from concurrent import futures

import pytest
from serving.http import whole
from typer import testing

import jaxrestore.serving.http
from jaxrestore import errors
from jaxrestore.cli import app
from jaxrestore.raters import answers
from jaxrestore.serving.http import study

PAGE = (
    b"<!doctype html><style>p { color: red }</style><p>the page</p>"
    b'<script type="application/json">{}</script><script>"use strict";</script>'
)
KEY = {
    "study": "abc",
    "kind": "2afc",
    "methods": {"secret_a": "a", "secret_b": "b"},
    "images": [],
    "trials": [
        {"trial": t, "image": "i", "left": "a", "right": "b", "catch": False}
        for t in ("q1", "q2")
    ],
}


def _answers(rater="ann-1", answer="left", study="abc"):
    rows = [{"trial": t, "answer": answer, "seconds": 1.0} for t in ("q1", "q2")]
    return json.dumps({"study": study, "rater": rater, "answers": rows}).encode()


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "study.html").write_bytes(PAGE)
    (tmp_path / "study.json").write_text(json.dumps(KEY))
    return tmp_path


@pytest.fixture
def ask(folder):
    """`ask(method, path, body, **headers)` -> status and text, of a server."""
    ready = threading.Event()
    with study.bound(folder, port=0, told=lambda address: ready.set()) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        assert ready.wait(10)

        def asked(method, path, body=None, **headers):
            place = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
            place.putrequest(method, path, skip_host=False)
            for name, value in headers.items():
                place.putheader(name.replace("_", "-"), value)
            place.endheaders(body)
            reply = place.getresponse()
            text = reply.read()
            place.close()
            return reply.status, text

        yield asked
        server.stop()
        thread.join()


def _post(ask, body, path="/answers"):
    return ask(
        "POST",
        path,
        body,
        Content_Type="application/json",
        Content_Length=str(len(body)),
    )


def test_the_page_is_all_there_is_to_get(ask, folder):
    (folder / "answers").mkdir()
    (folder / "answers" / "ann-1.json").write_bytes(_answers())
    assert ask("GET", "/") == (200, PAGE)
    assert ask("GET", "/?a=b") == (200, PAGE)
    for path in (
        *(
            "/study.json",
            "/study.html",
            "/answers",
            "/answers/ann-1.json",
            "//study.json",
        ),
        *("/../study.json", "/%2e%2e/study.json", "/./study.json", "study.json", "*"),
        *(f"//{folder}/study.json", f"{folder}/study.json", "/answers/../study.json"),
    ):
        status, text = ask("GET", path)
        # 405: answers are posted; 400: no path of HTTP.
        assert status in (400, 404, 405) and b"secret" not in text, path
    for method in ("HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"):
        assert ask(method, "/study.json")[0] == 404
        assert ask(method, "/")[0] == (200 if method == "HEAD" else 405)


def test_answers_are_kept_as_they_were_sent_and_numbered(ask, folder):
    first, second = _answers(), _answers(answer="right")
    assert _post(ask, first)[0] == 200
    assert _post(ask, second)[0] == 200
    assert _post(ask, first)[0] == 200  # sent again, as its reply was lost
    kept = {path.name: path.read_bytes() for path in (folder / "answers").iterdir()}
    assert kept == {"ann-1-1.json": first, "ann-1-2.json": second}


def test_raters_may_hand_in_at_one_time(ask, folder):
    names = [f"rater{n % 8}-{n % 2}" for n in range(32)]
    sent = [_answers(name, ("left", "right")[n // 16]) for n, name in enumerate(names)]
    with futures.ThreadPoolExecutor(16) as pool:
        replies = [*pool.map(lambda body: _post(ask, body), sent)]
    assert {status for status, _ in replies} == {200}
    kept = [path.read_bytes() for path in (folder / "answers").iterdir()]
    assert sorted(kept) == sorted(set(sent))
    for data in kept:
        answers.check(KEY, data, "kept")


@pytest.mark.parametrize(
    "body, sentence",
    [
        (b"{", b"no JSON"),
        (_answers("../../x"), b"no answer file"),
        (_answers(study="other"), b"answers the study 'other'"),
        (_answers(answer="both"), b"left or right"),
    ],
)
def test_wrong_answers_are_refused_with_the_reason(ask, folder, body, sentence):
    status, text = _post(ask, body)
    assert status == 400 and sentence in text
    assert not (folder / "answers").exists()


def test_a_request_that_is_no_hand_in_is_refused(ask, folder):
    body, kind = _answers(), {"Content_Type": "application/json"}
    length = {"Content_Length": str(len(body))}
    assert _post(ask, body, path="/answers/../study.json")[0] == 404
    assert _post(ask, body, path="/")[0] == 405
    assert ask("POST", "/answers", body, Content_Type="text/plain", **length)[0] == 415
    assert ask("POST", "/answers", body, **length)[0] == 415
    assert ask("POST", "/answers", b"", **kind)[0] == 411
    assert ask("POST", "/answers", b"", Content_Length="-5", **kind)[0] == 400
    too_long = str(answers.MOST_BYTES + 1)
    assert ask("POST", "/answers", b"", Content_Length=too_long, **kind)[0] == 413
    assert not (folder / "answers").exists()


def test_answers_that_cannot_be_kept_are_refused_and_who_serves_is_told(
    ask, folder, monkeypatch, capsys
):
    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    status, text = _post(ask, _answers())
    assert status == 507 and str(folder).encode() not in text
    path = folder / "answers" / "ann-1-1.json"
    said = capsys.readouterr().err
    assert said.startswith(f"error: {path} cannot be used (No space left")
    assert [*path.parent.iterdir()] == []


def test_nobody_fills_the_disk(ask, folder, monkeypatch):
    monkeypatch.setattr(answers, "MOST_FILES", 2)
    replies = [_post(ask, _answers(f"rater-{n}"))[0] for n in range(4)]
    assert replies == [200, 200, 507, 507]
    assert len([*(folder / "answers").iterdir()]) == 2


def test_the_page_may_run_its_own_script_and_no_other(folder):
    rules = study.policy(PAGE).split("; ")
    digest = lambda text: base64.b64encode(hashlib.sha256(text).digest()).decode()
    script, style = digest(b'"use strict";'), digest(b"p { color: red }")
    assert f"script-src 'sha256-{script}'" in rules
    assert f"style-src 'sha256-{style}'" in rules
    assert "default-src 'none'" in rules and "unsafe" not in study.policy(PAGE)
    template = importlib.resources.files("jaxrestore.raters").joinpath("study.html")
    made = study.policy(template.read_bytes())
    assert made.count("sha256-") == 2


def test_a_whole_server_hands_it_out_beside_its_own_pages(folder, tmp_path):
    async def ask():
        made = whole.app(whole.settings(tmp_path / "server"))
        made.include_router(study.router(folder), prefix="/study")
        async with whole.client(made) as to:
            page = await to.get("/study/")
            sent = await to.post(
                "/study/answers",
                content=_answers(),
                headers={"content-type": "application/json"},
            )
            foreign = await to.post(
                "/study/answers",
                content=_answers("bob-1"),
                headers={
                    "content-type": "application/json",
                    "sec-fetch-site": "cross-site",
                },
            )
        return page, sent, foreign

    page, sent, foreign = asyncio.run(ask())
    assert page.content == PAGE
    assert page.headers["content-security-policy"] == study.policy(PAGE)
    assert page.headers["x-content-type-options"] == "nosniff"
    assert (sent.status_code, foreign.status_code) == (200, 403)
    assert [path.name for path in (folder / "answers").iterdir()] == ["ann-1-1.json"]


def test_raters_need_no_token_of_the_server_and_see_no_more_than_the_study(
    folder, tmp_path
):
    known = tmp_path / "tokens"
    known.write_text(f"{hashlib.sha256(b'secret').hexdigest()} user\n")
    page = {"accept": "text/html"}

    async def ask():
        made = whole.app(whole.settings(tmp_path / "server", tokens_file=known))
        made.include_router(study.router(folder), prefix="/study")
        async with whole.client(made) as to:
            shown = await to.get("/study/", headers=page)
            kind = {"content-type": "application/json"}
            sent = await to.post("/study/answers", content=_answers(), headers=kind)
            short = await to.get("/study", headers=page)
            others = [
                await to.get(place, headers=page)
                for place in ("/", "/studying", "/api/v1/tasks", "/records", "/docs")
            ]
            hidden = [
                await to.get(f"/study/{name}")
                for name in ("study.json", "answers/ann-1-1.json")
            ]
        return shown, sent, short, others, hidden

    shown, sent, short, others, hidden = asyncio.run(ask())
    assert shown.content == PAGE and "set-cookie" not in shown.headers
    assert sent.status_code == 200
    assert [path.name for path in (folder / "answers").iterdir()] == ["ann-1-1.json"]
    assert short.headers["location"].endswith("/study/")
    assert {answer.status_code for answer in others} <= {303, 401}
    assert [answer.status_code for answer in hidden] == [404, 404]


def test_the_command_says_where_it_is_and_ends_with_ctrl_c(folder):
    command = [sys.executable, "-m", "jaxrestore", "study", "serve", folder]
    serving = subprocess.Popen(
        [*command, "--port", "0"], stdout=subprocess.PIPE, text=True
    )
    said = serving.stdout.readline()
    port = int(re.fullmatch(r"http://127.0.0.1:(\d+)/ until .*\n", said)[1])
    place = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    place.request("GET", "/")
    assert place.getresponse().read() == PAGE
    place.close()
    serving.send_signal(signal.SIGINT)
    rest, _ = serving.communicate(timeout=20)
    assert serving.returncode == 0
    assert rest == f"stopped; all answers are in {folder}/answers\n"


def test_without_the_extra_one_is_told_what_brings_it(folder, monkeypatch):
    monkeypatch.delitem(sys.modules, "jaxrestore.serving.http.study")
    monkeypatch.delattr(jaxrestore.serving.http, "study")
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    told = testing.CliRunner().invoke(app.app, ["study", "serve", str(folder)])
    assert isinstance(told.exception, errors.ConfigError)
    assert str(told.exception) == (
        "handing out a study needs uvicorn, which is not installed; pip install "
        "'jaxrestore[web]' brings it"
    )


def test_serving_a_study_needs_no_jax():
    asked = "import sys, jaxrestore.serving.http.study; sys.exit('jax' in sys.modules)"
    subprocess.run([sys.executable, "-c", asked], check=True)


def test_a_study_that_is_missing_is_said(tmp_path):
    with pytest.raises(errors.NoInputError, match=r"study\.json"):
        study.create_app(tmp_path)
    (tmp_path / "study.json").write_text(json.dumps(KEY))
    with pytest.raises(errors.NoInputError, match=r"study\.html is missing"):
        study.create_app(tmp_path)


def test_a_port_that_cannot_be_had_is_said(folder):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with (
            pytest.raises(errors.ConfigError, match=rf"`port` {port} .* in use"),
            study.bound(folder, port=port),
        ):
            pass
    with (
        pytest.raises(errors.ConfigError, match="`port` is 70000"),
        study.bound(folder, port=70_000),
    ):
        pass
