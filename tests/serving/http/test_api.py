"""The API as its clients meet it: a real server on loopback, and a fake engine."""

import hashlib
import io
import json
import zipfile

import httpx
import numpy as np
import pytest
from PIL import Image
from serving.http import live, whole

from jaxrestore.serving import pictures

API = "/api/v1"
PIXELS = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)


def png(pixels=PIXELS):
    return live.png(pixels)


def pixels_of(content):
    return np.asarray(Image.open(io.BytesIO(content)))


@pytest.fixture(scope="module")
def to(tmp_path_factory):
    """A client, whose session is a browser's."""
    limits = {
        "owner_uploads": 10_000,
        "address_uploads": 10_000,
        "owner_jobs": 8,
        "owner_streams": 2,
    }
    settings = whole.settings(tmp_path_factory.mktemp("served"), **limits)
    with (
        live.served(settings, whole.app(settings, delay=0.02)) as port,
        httpx.Client(base_url=f"http://localhost:{port}", timeout=20) as client,
    ):
        client.get("/docs", headers={"accept": "text/html"})
        yield client


def upload(to, content=None, **more):
    headers = {"content-type": "image/png", **more}
    answer = to.post(f"{API}/images", content=content or png(), headers=headers)
    assert answer.status_code == 201, answer.text
    return answer


def job(to, wait=10, **more):
    asked = {"image_id": upload(to).json()["id"], "task": "denoise", **more}
    headers = {"prefer": f"wait={wait}"} if wait else {}
    return to.post(f"{API}/jobs", json=asked, headers=headers)


def code(answer):
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    body = answer.json()
    assert body["status"] == answer.status_code
    assert body["type"] == f"urn:jaxrestore:problem:{body['code']}"
    return answer.status_code, body["code"]


def test_a_picture_is_uploaded_looked_at_and_deleted(to):
    answer = upload(to)
    image = answer.json()
    assert answer.headers["location"] == f"{API}/images/{image['id']}"
    assert (image["width"], image["height"], image["channels"]) == (32, 24, 3)
    assert (image["format"], image["bit_depth"], image["alpha"]) == ("PNG", 8, False)
    assert image["sha256"] == hashlib.sha256(png()).hexdigest()
    place = answer.headers["location"]
    assert to.get(place).json() == image
    shown = to.get(image["preview_url"])
    assert shown.headers["content-type"] in ("image/png", "image/jpeg")
    assert pixels_of(shown.content).shape == PIXELS.shape
    assert to.delete(place).status_code == 204
    assert code(to.get(place))[0] in (404, 410)
    assert code(to.delete(place))[0] in (404, 410)


def test_a_large_picture_is_shown_smaller(to):
    image = upload(to, png(PIXELS.repeat(20, 1))).json()
    shown = to.get(image["preview_url"], params={"max": 256})
    assert pixels_of(shown.content).shape[1] == 256
    for wrong in (0, 10**6, "large"):
        assert code(to.get(image["preview_url"], params={"max": wrong}))[0] == 422


def test_head_says_what_get_says_and_allow_is_complete(to):
    place = upload(to).headers["location"]
    head = to.head(place)
    assert head.status_code == 200 and head.content == b""
    assert head.headers["content-length"] == str(len(to.get(place).content))
    refused = to.put(place)
    assert code(refused) == (405, "method_not_allowed")
    assert refused.headers["allow"] == "GET, HEAD, DELETE"
    assert to.put(f"{API}/jobs").headers["allow"] == "GET, HEAD, POST"
    assert to.post("/healthz").headers["allow"] == "GET, HEAD"


def test_a_form_uploads_as_well(to):
    answer = to.post(f"{API}/images", files={"file": ("a.png", png(), "text/html")})
    assert answer.status_code == 201 and answer.json()["format"] == "PNG"


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"content": png(), "headers": {"content-type": "text/html"}}, 415),
        ({"data": {"file": "x"}}, 415),
        ({"files": {"picture": png()}}, 422),
        ({"content": b"x", "headers": {"content-type": "multipart/form-data"}}, 400),
        ({"content": b"GIF89a", "headers": {"content-type": "image/gif"}}, 415),
        ({"content": b"", "headers": {"content-type": "image/png"}}, 415),
        ({"content": b"<svg/>", "headers": {"content-type": "image/svg+xml"}}, 415),
    ],
)
def test_what_is_no_picture_is_refused(to, asked, expected):
    answer = to.post(f"{API}/images", **asked)
    assert code(answer)[0] in (expected, 422) and expected in (415, answer.status_code)


def test_the_same_key_is_the_same_upload(to):
    first, again = (upload(to, **{"idempotency-key": "k1"}) for _ in range(2))
    assert first.json() == again.json()
    assert first.headers["location"] == again.headers["location"]
    headers = {"content-type": "image/png", "idempotency-key": "k1"}
    other = to.post(f"{API}/images", content=png(255 - PIXELS), headers=headers)
    assert code(other) == (422, "key_reused")
    assert upload(to).json()["id"] != first.json()["id"]
    odd = to.post(f"{API}/images", content=png(), headers={"idempotency-key": "a b"})
    assert code(odd) == (400, "bad_key")


def test_the_same_key_is_the_same_job(to):
    asked = {"image_id": upload(to).json()["id"], "task": "denoise"}
    ask = lambda body: to.post(
        f"{API}/jobs", json=body, headers={"idempotency-key": "k2"}
    )
    assert ask(asked).json()["id"] == ask(asked).json()["id"]
    assert code(ask({**asked, "method": "prior"})) == (422, "key_reused")
    refused = {"image_id": "0" * 32, "task": "denoise"}
    headers = {"idempotency-key": "k3"}
    for _ in range(2):  # an error is not remembered
        answer = to.post(f"{API}/jobs", json=refused, headers=headers)
        assert code(answer)[0] == 404


@pytest.mark.parametrize("room", [True, False])
def test_a_job_is_waited_for_and_its_result_fetched(to, monkeypatch, room):
    monkeypatch.setattr(pictures.Pictures, "has_room", lambda self, owner: room)
    answer = job(to, params={"strength": 0.5})
    assert answer.status_code == 200
    assert answer.headers["preference-applied"] == "wait=10"
    done = answer.json()
    assert (done["status"], done["progress"], done["error"]) == ("done", 1.0, None)
    assert done["params"] == {"strength": 0.5} and done["method"] == "network"
    assert done["run_ms"] >= 0 and done["queued_ms"] >= 0
    assert done["links"]["self"] == answer.headers["location"]
    assert to.get(done["links"]["self"]).json()["status"] == "done"
    result = to.get(done["links"]["result"])
    np.testing.assert_array_equal(pixels_of(result.content), 255 - PIXELS)
    assert result.headers["content-length"] == str(len(result.content))
    assert result.headers["content-disposition"].startswith("attachment; filename=")
    tag = result.headers["etag"]
    same = to.get(done["links"]["result"], headers={"if-none-match": tag})
    assert (same.status_code, same.content) == (304, b"")
    assert to.head(done["links"]["result"]).headers["etag"] == tag
    shown = to.get(f"{done['links']['result']}/preview", params={"max": 16})
    assert pixels_of(shown.content).shape == PIXELS.shape


@pytest.mark.parametrize("format", ["png", "jpeg", "webp", "tiff", "avif"])
def test_a_result_comes_in_each_format(to, format):
    done = job(to).json()
    result = to.get(done["links"]["result"], params={"format": format})
    assert result.headers["content-type"] == f"image/{format}"
    assert pixels_of(result.content).shape == PIXELS.shape
    shown = to.get(done["links"]["result"], params={"download": 0})
    assert shown.headers["content-disposition"].startswith("inline")


def test_a_job_that_is_not_waited_for_is_accepted(to):
    answer = job(to, wait=0)
    assert answer.status_code == 202
    assert answer.json()["status"] in ("queued", "running")
    assert "preference-applied" not in answer.headers
    place = answer.headers["location"]
    early = to.get(f"{place}/result")
    assert early.status_code == 200 or code(early) == (409, "not_done")
    done = to.get(place, headers={"prefer": 'respond-async, wait="9"'})
    assert done.json()["status"] == "done"


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"task": "nothing"}, 422),
        ({"params": {"strength": 9}}, 422),
        ({"params": {"colour": 1}}, 422),
        ({"params": []}, 422),
        ({"method": "magic"}, 422),
        ({"mask_id": "0" * 32}, 422),
        ({"image_id": "../../etc/passwd"}, 404),
        ({"surprise": 1}, 422),
        ({"task": "inpaint"}, 422),
    ],
)
def test_a_job_that_cannot_be_done_is_refused(to, asked, expected):
    assert code(job(to, **asked))[0] == expected


def test_holes_are_filled_with_a_mask(to):
    image = upload(to).json()
    mask = np.zeros((24, 32), np.uint8)
    mask[:12] = 255
    made = to.post(f"{API}/images/{image['id']}/masks", files={"file": png(mask)})
    assert made.status_code == 201
    asked = {"image_id": image["id"], "task": "inpaint", "mask_id": made.json()["id"]}
    done = to.post(f"{API}/jobs", json=asked, headers={"prefer": "wait=10"}).json()
    result = pixels_of(to.get(done["links"]["result"]).content)
    np.testing.assert_array_equal(result[:12], 255 - PIXELS[:12])
    np.testing.assert_array_equal(result[12:], PIXELS[12:])
    small = to.post(f"{API}/images/{image['id']}/masks", files={"file": png(mask[:9])})
    assert code(small)[0] == 422


def test_a_job_is_cancelled_rated_and_deleted(to):
    done = job(to).json()
    place = done["links"]["self"]
    assert to.post(f"{place}/cancel").json()["status"] == "done"
    assert code(to.post(f"{place}/stop"))[0] == 409
    rate = lambda body: to.post(f"{place}/feedback", json=body)
    assert rate({"rating": 1}).status_code == 204
    assert rate({"rating": -1, "reason": "invented"}).status_code == 204
    assert code(rate({"rating": 2}))[0] == 422
    assert code(rate({"rating": -1, "reason": "anything"}))[0] == 422
    assert to.delete(place).status_code == 204
    assert code(to.get(place))[0] in (404, 410)


def test_jobs_are_listed_for_whose_they_are(to):
    made = [job(to).json()["id"] for _ in range(3)]
    first = to.get(f"{API}/jobs", params={"limit": 2}).json()
    assert [one["id"] for one in first["jobs"]] == made[:0:-1]
    more = {"limit": 2, "cursor": first["cursor"]}
    assert to.get(f"{API}/jobs", params=more).json()["jobs"][0]["id"] == made[0]
    none = to.get(f"{API}/jobs", params={"status": "failed"}).json()
    assert none == {"jobs": [], "cursor": None}
    assert code(to.get(f"{API}/jobs", params={"status": "odd"}))[0] == 422
    with httpx.Client(base_url=to.base_url) as stranger:
        assert code(stranger.get(f"{API}/jobs")) == (401, "no_session")
        stranger.get("/docs", headers={"accept": "text/html"})
        assert stranger.get(f"{API}/jobs").json()["jobs"] == []


def events(to, place, **headers):
    with to.stream("GET", place, headers=headers) as answer:
        assert answer.headers.get("content-type", "").startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-accel-buffering"] == "no"
        text = answer.read().decode()
    parts = [part for part in text.split("\n\n") if "data: " in part]
    return [dict(line.split(": ", 1) for line in part.split("\n")) for part in parts]


def test_a_job_is_followed_to_its_end(to):
    made = job(to, wait=0).json()
    heard = events(to, made["links"]["events"])
    states = [json.loads(one["data"])["status"] for one in heard]
    assert states[-1] == "done" and {one["event"] for one in heard} == {"job"}
    shares = [json.loads(one["data"])["progress"] for one in heard]
    assert shares == sorted(shares)
    # Who has the last event is told not to ask again; who has not is sent it.
    last = heard[-1]["id"]
    known = to.get(made["links"]["events"], headers={"last-event-id": last})
    assert (known.status_code, known.content) == (204, b"")
    again = events(to, made["links"]["events"], **{"last-event-id": "before"})
    assert [one["id"] for one in again] == [last]
    assert code(to.get(f"{API}/jobs/{'0' * 32}/events"))[0] == 404


def test_one_request_restores(to):
    form = {"task": "denoise", "params": '{"strength": 1}', "format": "webp"}
    file, any_tag = {"file": ("cat.png", png())}, {"if-none-match": "*"}
    answer = to.post(f"{API}/restore", files=file, data=form, headers=any_tag)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/webp"
    assert "cat" in answer.headers["content-disposition"]
    np.testing.assert_array_equal(pixels_of(answer.content), 255 - PIXELS)


@pytest.mark.parametrize(
    ("form", "told"),
    [
        ({}, "task"),
        ({"task": "denoise", "strength": "1"}, "options go into params"),
        ({"task": "denoise", "params": "{"}, "params"),
        ({"task": "denoise", "params": "[" * 9999}, "params"),
        ({"task": "denoise", "format": "gif"}, "format"),
        ({"task": "denoise", "quality": "best"}, "quality"),
        ({"task": "denoise", "quality": "0"}, "quality"),
        ({"task": "denoise", "method": "magic"}, "method"),
    ],
)
def test_one_request_with_a_wrong_field_is_refused(to, form, told):
    answer = to.post(f"{API}/restore", files={"file": png()}, data=form)
    assert code(answer) == (422, "invalid") and told in answer.json()["detail"]


def test_one_request_without_a_form_or_a_file_is_refused(to):
    assert code(to.post(f"{API}/restore", content=png()))[0] == 415
    only = to.post(f"{API}/restore", files={"other": png()}, data={"task": "denoise"})
    assert code(only) == (422, "no_file")


def test_a_batch_of_images_and_one_of_a_zip_file(to):
    ids = [upload(to, png(PIXELS[:, ::step])).json()["id"] for step in (1, -1)]
    asked = {"image_ids": ids, "task": "denoise"}
    answer = to.post(f"{API}/batches", json=asked)
    assert answer.status_code == 202
    place = answer.headers["location"]
    heard = events(to, f"{place}/events")
    assert json.loads(heard[-1]["data"])["counts"] == {"done": 2}
    assert to.get(place).json()["final"] is True
    whole_zip = to.get(f"{place}/result.zip")
    names = zipfile.ZipFile(io.BytesIO(whole_zip.content)).namelist()
    assert "manifest.csv" in names and len(names) == 3
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("a.png", png())
        file.writestr("b.txt", "no picture")
    sent = to.post(
        f"{API}/batches",
        params={"task": "denoise"},
        content=packed.getvalue(),
        headers={"content-type": "application/zip"},
    )
    assert sent.status_code == 202, sent.text
    assert [*sent.json()["skipped"]] == ["b.txt"] and len(sent.json()["jobs"]) == 1
    other = sent.headers["location"]
    assert to.post(f"{other}/cancel").status_code == 200
    assert to.delete(other).status_code == 204
    assert code(to.get(other))[0] in (404, 410)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"json": {"image_ids": [], "task": "denoise"}}, 422),
        ({"json": {"image_ids": ["0" * 32], "task": "denoise"}}, 404),
        ({"json": [1]}, 422),
        ({"content": b"{", "headers": {"content-type": "application/json"}}, 400),
        ({"content": b"PK", "headers": {"content-type": "application/zip"}}, 422),
        ({"content": b"x", "headers": {"content-type": "text/plain"}}, 415),
    ],
)
def test_a_batch_that_cannot_be_done_is_refused(to, asked, expected):
    assert code(to.post(f"{API}/batches", **asked))[0] == expected


def test_what_the_server_is_and_can_do(to):
    tasks = to.get(f"{API}/tasks").json()
    assert {one["name"] for one in tasks["tasks"]} == {"denoise", "inpaint", "sr"}
    assert tasks["limits"]["max_bytes"] == 32 * 2**20
    version = to.get(f"{API}/version").json()
    assert to.get("/version").json() == version
    assert version["device"] == "fake" and version["models"] == {"fake": "5e" * 32}
    assert to.get("/healthz").json() == to.get("/readyz").json()
    assert "swagger-ui-bundle.js" in to.get("/docs").text
    assert "SwaggerUIBundle" in to.get("/docs/start.js").text


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"a":' * 40_000,
        b"\xff\xfe",
        b"\x00",
        b"null",
        b"1e999",
        b'"\\ud800"',
        b'{"image_id": "\\ud800", "task": "\\udfff"}',
        b'{"image_id": "a", "task": "denoise", "params": {"strength": NaN}}',
        b'{"image_id": "a", "task": "denoise", "params": {"strength": 1e400}}',
        b'{"image_id": "a", "task": "denoise", "params": {"strength": '
        + b"9" * 5000
        + b"}}",
    ],
)
def test_json_that_is_odd_is_refused(to, body):
    headers = {"content-type": "application/json"}
    for place in ("jobs", "batches", f"jobs/{'0' * 32}/feedback"):
        answer = to.post(f"{API}/{place}", content=body, headers=headers)
        assert code(answer)[0] in (400, 404, 422)


def test_nothing_is_nowhere(to):
    for path in ("/nothing", "/api/v1/nothing", "/api/v1/jobs/1/2/3", "/static/../x"):
        assert code(to.get(path))[0] == 404
    json_ = {"content-type": "application/json"}
    assert code(to.post(f"{API}/jobs", content=b"{", headers=json_))[0] == 400
    assert code(to.post(f"{API}/jobs", content=b"{"))[0] == 415


def test_following_a_batch_ends_when_it_is_deleted(to):
    asked = {"image_ids": [upload(to).json()["id"]] * 8, "task": "denoise"}
    place = to.post(f"{API}/batches", json=asked).headers["location"]
    with to.stream("GET", f"{place}/events") as answer:
        lines = answer.iter_lines()
        assert any(line.startswith("data: {") for line in lines)
        with httpx.Client(base_url=to.base_url) as another:
            assert another.delete(place).status_code == 204
        assert not any(line.startswith("data: {") for line in lines)
    assert code(to.get(place))[0] == 404
