"""`/login`: who comes in, and where to."""

import hashlib
import html
import re

import httpx
import pytest
from serving.http import whole
from serving.pages import paged


@pytest.fixture
def guarded(tmp_path):
    """A client of a server that wants the token "secret"."""
    known = tmp_path / "tokens"
    known.write_text(f"{hashlib.sha256(b'secret').hexdigest()} user\n")
    settings = whole.settings(tmp_path, tokens_file=known)
    with paged.visitor(paged.app(settings)) as client:
        yield client


def test_a_token_is_asked_for_and_remembered(guarded):
    asked = guarded.get("/history")
    assert asked.headers["location"] == "/login?next=/history"
    wrong = guarded.post("/login", data={"token": "no", "next": "/history"})
    assert wrong.status_code == 401 and "not known" in wrong.text
    assert _entered(guarded, "/history") == "/history"
    assert guarded.get("/history").status_code == 200
    assert guarded.get("/records").status_code == 403
    guarded.post("/logout")
    assert guarded.get("/history").status_code == 303


def _entered(client, place):
    """Where a login leads that was asked for because of a place."""
    answer = client.post("/login", data={"token": "secret", "next": place})
    assert answer.status_code == 303
    return answer.headers["location"]


@pytest.mark.parametrize(
    "place",
    [
        "/compare?a=original&b=0123",
        "/history?cursor=a%2Bb%26c",
        "/edit/%C3%A4%3Fb%25",
        "/compare?a=1&a=%0d%0ax",
    ],
)
def test_a_login_leads_to_all_of_the_address_that_was_asked_for(guarded, place):
    led = guarded.get(place)
    assert led.status_code == 303
    form = guarded.get(led.headers["location"]).text
    (hidden,) = re.findall('name="next" value="([^"]*)"', form)
    assert _entered(guarded, html.unescape(hidden)) == place


@pytest.mark.parametrize(
    "place",
    [
        "//evil.org",
        "///evil.org",
        "/\\evil.org",
        "\\\\evil.org",
        "/\t/evil.org",
        "/\n/evil.org",
        "\t//evil.org",
        " //evil.org",
        "/ /evil.org",
        "/\x00/evil.org",
        "/\u2028/evil.org",
        "https://evil.org/",
        "https:evil.org",
        "javascript:alert(1)",
        "evil.org",
        "%2f%2fevil.org",
        "?next=//evil.org",
        "",
    ],
)
def test_a_login_never_leads_to_another_site(guarded, place):
    assert _entered(guarded, place) == "/"
    shown = guarded.get("/login", params={"next": place}).text
    assert 'name="next" value="/"' in shown


@pytest.mark.parametrize(
    "place",
    ["/%2f%2fevil.org", "/%5cevil.org", "/%09/evil.org", "/.//evil.org", "/@evil.org"],
)
def test_what_only_looks_like_another_site_stays_on_this_one(guarded, place):
    here = httpx.URL("http://here.test/login").join(_entered(guarded, place))
    assert here.host == "here.test"
