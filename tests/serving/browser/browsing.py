"""What the tests of the pages do in a browser, and what none of them may see."""

import contextlib
import dataclasses
import io
import json
import re
import time

import numpy as np
from PIL import Image
from serving import fake_engine, pictures_of

DEVICES = {
    "desktop": {"viewport": {"width": 1280, "height": 900}},
    "phone": {
        "viewport": {"width": 390, "height": 844},
        "has_touch": True,
        "is_mobile": True,
        "device_scale_factor": 2,
    },
}
LEVEL = {"anyOf": [{"type": "number", "minimum": 0, "maximum": 100}, {"type": "null"}]}
STRENGTH = {"type": "number", "minimum": 0, "maximum": 1, "default": 1}
TASKS = (
    dataclasses.replace(
        fake_engine.DENOISE,
        options={
            "type": "object",
            "properties": {
                "level": LEVEL,
                "strength": STRENGTH,
                "iterations": {"type": "integer", "x-methods": ["prior"]},
            },
            "additionalProperties": False,
        },
    ),
    fake_engine.INPAINT,
    fake_engine.ENLARGE,
    dataclasses.replace(
        fake_engine.DENOISE,
        name="deblur",
        label="Sharpen",
        methods=(),
        why_not={"network": "No weights for it ship."},
    ),
    dataclasses.replace(
        fake_engine.DENOISE,
        name="own",
        options=fake_engine.INPAINT.options,
        label="Scans_of_the_archive_by_a_network_with_the_longest_of_all_names",
        help="networks/of_whoever_runs_this_server_and_likes_folders/" * 3,
    ),
)
LAN = "lan.test"  # a name of the server without TLS, as in a local network
HEIGHT, WIDTH = 120, 160
SUMMARY = {  # what a server remembers, of which the pages know no more than this
    "since": "2026-11-27",
    "until": "2026-11-28",
    "jobs": 5,
    "days": [
        {"day": "2026-11-27", "done": 3, "failed": 1, "refused": 1},
        {"day": "2026-11-28", "done": 2, "failed": 0, "refused": 0},
    ],
    "errors": [{"code": "device_oom", "jobs": 1, "share": 0.2}],
    "refusals": [
        {"code": 429, "why": "too_many_uploads_of_one_client", "count": 12, "share": 1}
    ],
}


def picture(seed=0):
    """The bytes of a PNG of 160 x 120 px, for each seed another."""
    return pictures_of.png(seed, height=HEIGHT, width=WIDTH)


def mask(left=0, right=40):
    """The bytes of a mask whose columns `left` to `right` are missing."""
    made = Image.new("L", (WIDTH, HEIGHT))
    made.paste(255, (left, 0, right, HEIGHT))
    return pictures_of.saved(made, "PNG")


def file(content, name="one.png", kind="image/png"):
    """A file as Playwright takes it."""
    return {"name": name, "mimeType": kind, "buffer": content}


@contextlib.contextmanager
def opened(browser, server, device, **more):
    """Yields a page; afterwards nothing may have gone elsewhere, or wrong."""
    still = {"reduced_motion": "reduce"}  # colours are looked at, not their change
    context = browser.new_context(base_url=server, **DEVICES[device], **still, **more)
    context.set_default_timeout(15_000)
    page = context.new_page()
    bad = page.bad = []
    page.on("console", lambda said: said.type == "error" and bad.append(said.text))
    page.on("pageerror", lambda error: bad.append(str(error)))
    page.on(
        "request", lambda asked: _foreign(asked.url, server) and bad.append(asked.url)
    )
    try:
        yield page
        assert not bad, "\n".join(bad)
    finally:
        context.close()


def _foreign(address, server):
    return not address.startswith((f"{server}/", "blob:", "data:"))


def until(page, true, argument=None, seconds=15):
    """Waits until an expression is true; Playwright's own way needs `unsafe-eval`."""
    late = time.monotonic() + seconds
    while not page.evaluate(true, argument):
        assert time.monotonic() < late, true
        page.wait_for_timeout(50)


def upload(page, content=None):
    """Uploads a picture on the first page; returns its id."""
    page.goto("/")
    page.locator("input[name=file]").set_input_files(file(content or picture()))
    page.wait_for_url("**/edit/*")
    return re.search("[0-9a-f]{32}", page.url)[0]


def choose(page, task):
    """Chooses a task by its label."""
    page.get_by_role("radio", name=task, exact=True).check()


def restore(page):
    """Sends the form; returns the job's id."""
    page.get_by_role("button", name="Restore", exact=True).click()
    page.wait_for_url("**/jobs/*")
    return re.search("[0-9a-f]{32}", page.url)[0]


def done(page):
    """Waits until before and after are there, and can be moved."""
    page.locator(".viewer.live").wait_for()
    until(
        page, "[...document.querySelectorAll('.pane img')].every((i) => i.naturalWidth)"
    )


def pixels(page, address):
    """The pixels of a picture that the server has."""
    answer = page.request.get(address)
    assert answer.ok, (answer.status, answer.text())
    return np.asarray(Image.open(io.BytesIO(answer.body())))


def result(page, job):
    """The pixels of a job's result."""
    return pixels(page, f"/api/v1/jobs/{job}/result")


def place(page, x, y):
    """Where a picture's pixel is on the screen."""
    found = page.evaluate(
        """([x, y]) => {
          const box = document.querySelector('.stage').getBoundingClientRect();
          const width = Number(document.getElementById('frame').dataset.width);
          const scale = box.width / width;
          return [box.left + x * scale, box.top + y * scale];
        }""",
        [x, y],
    )
    return tuple(found)


def drag(page, start, end):
    """Draws a line with the mouse, between pixels of the picture."""
    page.locator("#frame").scroll_into_view_if_needed()
    page.mouse.move(*place(page, *start))
    page.mouse.down()
    page.mouse.move(*place(page, *end), steps=6)
    page.mouse.up()


class Fingers:
    """Fingers on the screen, by Chromium's own protocol."""

    def __init__(self, page):
        self.session = page.context.new_cdp_session(page)

    def put(self, kind, *places):
        """Sends "touchStart", "touchMove" or "touchEnd" with where all fingers are."""
        points = [
            {"x": x, "y": y, "id": number} for number, (x, y) in enumerate(places)
        ]
        event = {"type": kind, "touchPoints": points}
        self.session.send("Input.dispatchTouchEvent", event)

    def line(self, start, end, steps=6):
        """One finger goes from one place to another."""
        self.put("touchStart", start)
        for step in range(1, steps + 1):
            share = step / steps
            here = [a + (b - a) * share for a, b in zip(start, end, strict=True)]
            self.put("touchMove", here)
        self.put("touchEnd")


def painted(page):
    """The mask that is painted, True where something is missing, by downloading it."""
    with page.expect_download() as coming:
        page.get_by_role("button", name="Download the mask").click()
    found = Image.open(coming.value.path())
    assert found.size == (WIDTH, HEIGHT)
    return np.asarray(found.convert("L")) > 127


def violations(page):
    """What axe-core finds serious or critical, as lines."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    return [
        f"{one['id']}: {json.dumps([node['html'] for node in one['nodes'][:3]])}"
        for one in found
        if one["impact"] in ("serious", "critical")
    ]
