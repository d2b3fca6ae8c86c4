import errno
import http.client
import json
import os
import socket
import threading
from concurrent import futures

import pytest

from jaxrestore import errors
from jaxrestore.raters import answers
from jaxrestore.raters import server as perceptual_server

PAGE = b"<!doctype html><p>the page</p>"
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
    with perceptual_server.server(folder, port=0) as server:
        # Asked often whether to stop, so that the test does not wait for it.
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()

        place = "127.0.0.1", server.server_port

        def asked(method, path, body=None, **headers):
            connection = http.client.HTTPConnection(*place, timeout=10)
            connection.putrequest(method, path, skip_host=False)
            for name, value in headers.items():
                connection.putheader(name.replace("_", "-"), value)
            connection.endheaders(body)
            reply = connection.getresponse()
            text = reply.read()
            connection.close()
            return reply.status, text

        yield asked
        server.shutdown()
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
        assert status == 404 and b"secret" not in text, path
    for method in ("HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"):
        assert ask(method, "/study.json")[0] == 501


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
    assert _post(ask, body, path="/")[0] == 404
    assert ask("POST", "/answers", body, Content_Type="text/plain", **length)[0] == 415
    assert ask("POST", "/answers", body, **length)[0] == 415
    assert ask("POST", "/answers", b"", **kind)[0] == 411
    assert ask("POST", "/answers", b"", Content_Length="-5", **kind)[0] == 411
    too_long = str(perceptual_server.MOST_BYTES + 1)
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
    monkeypatch.setattr(perceptual_server, "MOST_FILES", 2)
    replies = [_post(ask, _answers(f"rater-{n}"))[0] for n in range(4)]
    assert replies == [200, 200, 507, 507]
    assert len([*(folder / "answers").iterdir()]) == 2


def test_a_study_that_is_missing_is_said(tmp_path):
    with pytest.raises(errors.NoInputError, match=r"study\.json"):
        perceptual_server.server(tmp_path)
    (tmp_path / "study.json").write_text(json.dumps(KEY))
    with pytest.raises(errors.NoInputError, match=r"study\.html is missing"):
        perceptual_server.serve(tmp_path)


def test_a_port_that_cannot_be_had_is_said(folder):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(
            errors.ConfigError, match="it is taken; give another `port`"
        ):
            perceptual_server.serve(folder, port=taken.getsockname()[1])
    with pytest.raises(errors.ConfigError, match="cannot be served"):
        perceptual_server.serve(folder, port=70_000)
