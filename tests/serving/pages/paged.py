"""The app with its pages, on a fake engine, and what a browser without scripts does."""

import contextlib
import re

import httpx
from serving.http import live, whole

from jaxrestore.serving.pages import site

HTML = {"accept": "text/html,application/xhtml+xml"}


def app(settings, **engine):
    """The whole app, pages and all; see `whole.app`."""
    made = whole.app(settings, **engine)
    if not hasattr(made.state, "error_page"):
        site.install(made)
    return made


@contextlib.contextmanager
def visitor(made):
    """Yields a client that asks for pages and keeps its cookie, but runs no scripts."""
    with live.served(made.state.settings, made) as port:
        place = f"http://127.0.0.1:{port}"
        with httpx.Client(base_url=place, headers=HTML, timeout=30) as client:
            yield client


def uploaded(client, content, name="one.png"):
    """Uploads a file by the first page; returns the image's id."""
    answer = client.post("/", files={"file": (name, content)})
    assert answer.status_code == 303, answer.text
    return re.fullmatch("/edit/([0-9a-f]{32})", answer.headers["location"])[1]


def ordered(client, image, files=None, **fields):
    """Sends the form of the image's page; returns the job's id."""
    files = files or {"mask": ("", b"")}
    answer = client.post(f"/edit/{image}", data=fields, files=files)
    assert answer.status_code == 303, answer.text
    return re.fullmatch("/jobs/([0-9a-f]{32})", answer.headers["location"])[1]


def ended(client, job):
    """Waits until a job has ended; returns its page."""
    asked = client.get(f"/api/v1/jobs/{job}", headers={"prefer": "wait=10"})
    assert asked.json()["status"] in ("done", "failed", "cancelled"), asked.text
    return client.get(f"/jobs/{job}")
