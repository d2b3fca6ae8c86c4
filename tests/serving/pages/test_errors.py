"""Errors as people see them: pages, whoever found what is wrong."""

import hashlib

import httpx
import pytest
from serving import pictures_of
from serving.http import whole
from serving.pages import paged


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """An app that wants the token "secret", and a client that has logged in."""
    folder = tmp_path_factory.mktemp("served")
    known = folder / "tokens"
    known.write_text(f"{hashlib.sha256(b'secret').hexdigest()} user\n")
    limits = {"tokens_file": known, "max_bytes": 2**20, "address_requests": 60}
    made = paged.app(whole.settings(folder, **limits))
    with paged.visitor(made) as client:
        client.post("/login", data={"token": "secret"})
        yield made, client


def said(answer, status):
    """The text of a page of an error, which it must be."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.text.count("<h1>") == 1 and '<p class="lead">' in answer.text
    return answer.text


def test_what_is_refused_before_the_pages_is_a_page_too(served):
    _, client = served
    large = {"file": ("large.png", bytes(3 * 2**20))}
    assert "more than" in said(client.post("/", files=large), 413)
    assert "scope admin" in said(client.get("/records"), 403)
    foreign = client.post("/", headers={"sec-fetch-site": "cross-site"})
    assert "own page" in said(foreign, 403)
    assert "elsewhere.test" in said(
        client.get("/", headers={"host": "elsewhere.test"}), 400
    )
    assert "nothing at this address" in said(client.get("/nowhere"), 404)
    assert "POST only" in said(client.get("/logout"), 405)


def test_a_form_that_is_sent_after_the_session_has_ended_leads_to_the_login(served):
    _, client = served
    image = paged.uploaded(client, pictures_of.png(1))
    with httpx.Client(base_url=client.base_url, headers=paged.HTML) as other:
        page = said(other.post(f"/edit/{image}", data={"task": "denoise"}), 401)
    assert 'href="/login"' in page


def test_a_bug_is_a_page_that_says_nothing_of_its_insides(served):
    made, client = served
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(made.state.service, "tasks", lambda: 1 / 0)
        page = said(client.get("/"), 500)
    assert "did not expect" in page and "division" not in page


def test_whoever_asks_too_often_is_told_when_to_ask_again(served):
    _, client = served
    answers = [client.get("/privacy") for _ in range(80)]
    late = next(one for one in answers if one.status_code == 429)
    assert "Try again in 1 s" in said(late, 429)
    assert int(late.headers["retry-after"]) == 1
