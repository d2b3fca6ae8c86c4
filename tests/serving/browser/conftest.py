"""A Chromium that reaches nothing but the server, and pages of which all is noted."""

import shutil

import pytest
from serving.browser import browsing
from serving.http import live, whole
from serving.pages import paged


@pytest.fixture(scope="module")
def chromium():
    """Chromium, whose resolver knows one name: skipped, with the reason, without it."""
    playwright = pytest.importorskip("playwright.sync_api")
    place = shutil.which("chromium") or shutil.which("chromium-browser")
    if place is None:
        pytest.skip("there is no Chromium; apt-get install chromium brings it")
    lan = f"MAP {browsing.LAN} 127.0.0.1"
    blind = f"--host-resolver-rules={lan} , MAP * ~NOTFOUND , EXCLUDE 127.0.0.1"
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(
            executable_path=place, args=["--no-sandbox", blind]
        )
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The app on a fake engine of one slot, which takes half a second."""
    limits = {
        "owner_uploads": 1000,
        "max_bytes": 6 * 2**20,
        "slots": 1,
        "hosts": ("127.0.0.1", browsing.LAN),
        "owner_jobs": 20,
        "owner_pixels": 10**9,
    }
    settings = whole.settings(tmp_path_factory.mktemp("served"), **limits)
    return paged.app(settings, delay=0.5, steps=5, tasks=browsing.TASKS)


@pytest.fixture(scope="module")
def server(made):
    """The address of a server of that app."""
    with live.served(made.state.settings, made) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(params=["desktop", "phone"])
def page(request, chromium, server):
    """A page that has been nowhere; at its end nothing bad may have happened on it."""
    with browsing.opened(chromium, server, request.param) as page:
        yield page


@pytest.fixture
def desktop(chromium, server):
    """A page as `page` is, on a desktop."""
    with browsing.opened(chromium, server, "desktop") as page:
        yield page


@pytest.fixture
def phone(chromium, server):
    """A page as `page` is, on a phone."""
    with browsing.opened(chromium, server, "phone") as page:
        yield page
