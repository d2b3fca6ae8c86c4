"""The records as a page of the server, and as a file that needs no server."""

import re
from html.parser import HTMLParser

import pytest
from serving.http import whole
from serving.pages import paged

from jaxrestore.serving.pages import dashboard
from jaxrestore.serving.records import plots

NETWORK = {"task": "denoise", "method": "network", "version": "ab" * 4}
TIMES = {"queued_p50": 0.5, "queued_p95": 2.0, "run_p50": 1.0, "run_p95": 4.0}
SIGMAS = {"sigma_in": 20.0, "sigma_out": 2.0}
SUMMARY = {
    **{"since": "2026-11-27", "until": "2026-11-28", "jobs": 5},
    "days": [
        {"day": "2026-11-27", "done": 3, "failed": 1, "refused": 1},
        {"day": "2026-11-28", "done": 1, "failed": 0, "refused": 0},
    ],
    "speed": [{**NETWORK, "model": "<b>&", "size": "", "jobs": 4, **TIMES}],
    "models": [
        {"model": "<b>&", "version": "ab" * 4, "architecture": "unet", "jobs": 4}
        | {"license": "Apache-2.0"}
    ],
    "quality": [{**NETWORK, "jobs": 4, **SIGMAS}],
    "ratings": [{**NETWORK, "liked": 1, "disliked": 0, "share": 1.0}],
    "errors": [{"code": "device_oom", "jobs": 1, "share": 0.2}],
    "refusals": [],
}


class Parsed(HTMLParser):
    """The tags of a page with their attributes, and the words in its `<main>`."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.words, self.inside = [], [], False
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.inside |= tag == "main"

    def handle_endtag(self, tag):
        self.inside &= tag != "main"

    def handle_data(self, data):
        if self.inside and data.strip():
            self.words.append(" ".join(data.split()))


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """What a browser is shown."""
    made = paged.app(whole.settings(tmp_path_factory.mktemp("served")))
    made.state.records = lambda days: SUMMARY
    with paged.visitor(made) as client:
        return client.get("/records").text


@pytest.fixture(scope="module")
def file():
    return dashboard.file(SUMMARY, plots.draw)


def test_the_file_says_what_the_page_says(page, file):
    shown = re.sub('<nav class="tools".*?</nav>', "", page, flags=re.DOTALL)
    words = Parsed(file).words
    assert words == Parsed(shown).words
    for said in ("5 jobs from", "<b>&", "ab" * 4, "unet", "Apache-2.0", "device_oom"):
        assert any(said in word for word in words), said


def test_the_file_has_its_plots_and_needs_nothing_else(file):
    tags = Parsed(file).tags
    names = {tag for tag, _ in tags}
    assert {"svg", "img", "style", "table"} <= names
    assert not names & {"script", "link", "iframe", "object", "a", "form"}
    pictures = [a[k] for _, a in tags for k in ("src", "srcset") if k in a]
    start = "data:image/svg+xml;base64,"
    assert len(pictures) == 6 == len({*pictures})  # three, on dark pages others
    assert all(one.startswith(start) and " " not in one for one in pictures)
    assert not any(key.startswith("on") or key == "href" for _, a in tags for key in a)
    (policy,) = (a["content"] for _, a in tags if "http-equiv" in a)
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert not re.search(r"url\((?![\"']?data:)|@import", file)
