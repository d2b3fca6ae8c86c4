"""Whether everyone can use the pages: axe-core, sizes of targets, keys, the dark."""

import hashlib

import pytest
from serving.browser import browsing
from serving.http import live, whole
from serving.pages import paged

pytestmark = pytest.mark.slow
LEAST = 44  # px of a target, WCAG 2.5.5

SMALL = """least => [...document.querySelectorAll(
    'button, .button, nav a, summary, select, .file, .task > label, .divider, a'
    + (matchMedia('(pointer: coarse)').matches ? ', input[type=range]' : ''))]
  .filter((one) => one.checkVisibility({ visibilityProperty: true }))
  .filter((one) => one.localName !== 'a' || one.className
    || one.textContent.trim() === one.parentElement.textContent.trim())
  .map((one) => [one.outerHTML.slice(0, 90), one.getBoundingClientRect()])
  .filter(([, box]) => box.width && Math.min(box.height, box.width) < least - 0.5)
  .map(([html, box]) => `${html} ${box.width} x ${box.height}`)"""
WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("device", [*browsing.DEVICES])
def test_every_page_can_be_used_by_everyone(chromium, server, made, device, colours):
    pytest.importorskip("axe_playwright_python")
    made.state.records = lambda days: browsing.SUMMARY
    more = {"color_scheme": colours}
    with browsing.opened(chromium, server, device, **more) as page:
        for name in walked(page, made.state.service.engine):
            found = browsing.violations(page)
            assert not found, f"{name}: " + "\n".join(found)
            small = page.evaluate(SMALL, LEAST)
            assert not small, f"{name}: " + "\n".join(small)
            assert page.evaluate(WIDE) <= 0, f"{name} is wider than the screen"
            assert page.locator("h1").count() == 1, name
            assert page.title().endswith("jaxrestore"), name


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_the_page_of_the_api_can_be_read_by_everyone(chromium, server, colours):
    pytest.importorskip("axe_playwright_python")
    more = {"color_scheme": colours}
    with browsing.opened(chromium, server, "phone", **more) as page:
        page.goto("/docs")
        page.locator(".opblock").first.wait_for()
        found = browsing.violations(page)
        assert not found, "\n".join(found)
        assert page.evaluate(WIDE) <= 0 and page.locator("h1").count() == 1
        dark = "document.documentElement.classList.contains('dark-mode')"
        assert page.evaluate(dark) == (colours == "dark")


def walked(page, engine):
    """Goes through all pages, and yields the name of each."""
    for place in ("/", "/batch", "/history", "/privacy", "/records", "/login"):
        page.goto(place)
        yield place
    browsing.upload(page)
    yield "choose"
    browsing.choose(page, "Fill holes")
    yield "mask"
    browsing.choose(page, "Remove noise")
    yield "options"
    first = browsing.restore(page)
    browsing.done(page)
    yield "done"
    page.get_by_role("button", name="Side by side").click()
    yield "side by side"
    page.goto(f"/compare?a=original&b={first}")
    browsing.done(page)
    yield "compare"
    yield from waiting(page, engine)
    page.goto("/history")
    yield "history"
    page.goto("/jobs/" + "0" * 32)
    page.bad[:] = [said for said in page.bad if "404" not in said]  # it is meant
    yield "error"


def waiting(page, engine):
    """Goes to jobs that are not done, and to batches with the longest of names."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "delay", 60)
        batch(page)
        yield "batch, begun"
        page.get_by_role("button", name="Cancel what is left").click()
        page.get_by_role("button", name="Delete all now").wait_for()
        yield "batch, cancelled"
        browsing.upload(page)
        browsing.choose(page, "Remove noise")
        page.get_by_role("radio", name="Fitted to this picture").first.check()
        browsing.restore(page)
        yield "working"
        page.get_by_role("button", name="Cancel").click()
        page.get_by_text("Cancelled.").wait_for()
        yield "cancelled"
    batch(page)
    page.get_by_text("3 of 4 done, 1 not.").wait_for()
    yield "batch, done"


def batch(page):
    """Sends three pictures, and a file that is none, with names that fill no line."""
    name = "a-very-long-name-of-a-scan-that-nobody-can-read-and-no-line-holds_" * 3
    files = [browsing.file(browsing.picture(n), f"{name}{n}.png") for n in range(3)]
    page.goto("/batch")
    page.locator("input[name=file]").set_input_files([*files, browsing.file(b"none")])
    browsing.choose(page, "Remove noise")
    page.get_by_role("button", name="Restore all").click()
    page.wait_for_url("**/batch/*")


def test_a_task_is_chosen_and_ordered_by_keys_alone(desktop):
    browsing.upload(desktop)
    desktop.get_by_role("radio", name="Remove noise", exact=True).focus()
    desktop.keyboard.press("ArrowDown")
    assert desktop.get_by_role("radio", name="Fill holes", exact=True).is_checked()
    desktop.keyboard.press("ArrowUp")
    for _ in range(12):
        desktop.keyboard.press("Tab")
        if desktop.evaluate("document.activeElement.textContent") == "Restore":
            break
    desktop.keyboard.press("Enter")
    desktop.wait_for_url("**/jobs/*")
    browsing.done(desktop)


def test_what_happens_is_said_to_screen_readers(desktop, made):
    browsing.upload(desktop)
    browsing.choose(desktop, "Remove noise")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(made.state.service.engine, "delay", 2.0)
        browsing.restore(desktop)
        desktop.locator("#said[role=status]").wait_for(state="attached")
        browsing.until(
            desktop,
            "document.getElementById('said')?.textContent.startsWith('Working')",
        )
        browsing.done(desktop)


def test_a_page_whose_session_has_ended_leads_to_the_login_and_back(chromium, tmp_path):
    known = tmp_path / "tokens"
    known.write_text(f"{hashlib.sha256(b'secret').hexdigest()} user\n")
    settings = whole.settings(tmp_path, tokens_file=known)
    app = paged.app(settings, delay=60, tasks=browsing.TASKS)
    with (
        live.served(settings, app) as port,
        browsing.opened(chromium, f"http://127.0.0.1:{port}", "phone") as page,
    ):
        page.goto("/batch")
        log_in(page)
        page.wait_for_url("**/batch")
        browsing.upload(page)
        browsing.choose(page, "Remove noise")
        page.route("**/live", lambda route: route.abort())
        job = browsing.restore(page)
        page.context.clear_cookies()
        page.wait_for_url(f"**/login?next=/jobs/{job}")
        log_in(page)
        page.get_by_role("button", name="Cancel").wait_for()
        assert page.url.endswith(f"/jobs/{job}")
        page.bad[:] = [said for said in page.bad if "ERR_FAILED" not in said]


def log_in(page):
    """Fills in the page that asks for a token."""
    page.get_by_label("Token").fill("secret")
    page.get_by_role("button", name="Log in").click()
