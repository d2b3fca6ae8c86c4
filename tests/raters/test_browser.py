"""The study page in headless Chromium, driven by its DevTools protocol over a pipe.

Slow, since it needs `chromium` on the PATH, which no test of every day may.
"""

import base64
import json
import os
import shutil
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from jaxrestore import errors, images
from jaxrestore.data import samples
from jaxrestore.raters import answers, pages, tables
from jaxrestore.raters import scores as perceptual_scores
from jaxrestore.serving.http import study as studies

pytestmark = pytest.mark.slow

SIDE = 128
NOISE = {"best": 6, "middle": 18, "worst": 40}  # methods, by their standard deviation
KEYS = {"left": ("ArrowLeft", "1"), "right": ("ArrowRight", "2")}
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"),
    *("--no-first-run", "--disable-background-networking", "--disable-sync"),
    *("--disable-component-update", "--remote-debugging-pipe"),
)
# Puts two descriptors at 3 and 4, by way of high numbers since they may be 4 and 3.
PLACED = """
import os, sys
for high, given in enumerate(sys.argv[1:3], 103):
    os.dup2(int(given), high)
for high in (103, 104):
    os.dup2(high, high - 100)
os.execv(sys.argv[3], sys.argv[3:])
"""


class Browser:
    """One page of Chromium; messages end in NUL on descriptors 3 and 4."""

    def __init__(self, profile, program):
        child_in, self._out = os.pipe()
        back, child_out = os.pipe()

        # Not by preexec_fn, whose fork JAX warns of.
        arguments = [str(child_in), str(child_out), program, *FLAGS]
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-c", PLACED, *arguments),
                *(f"--user-data-dir={profile}", "about:blank"),
            ],
            pass_fds=(child_in, child_out),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(child_in)
        os.close(child_out)
        self._in = os.fdopen(back, "rb")
        self._buffer, self._number, self._session = b"", 0, None
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        attached = self.ask("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        self.ask("Page.enable")

    def ask(self, method, **parameters):
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            reply = self._read()
            if reply.get("id") == self._number:
                assert "error" not in reply, reply
                return reply["result"]

    def _read(self):
        while b"\0" not in self._buffer:
            data = self._in.read1(1 << 16)
            assert data, "the browser has ended"
            self._buffer += data
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)

    def value(self, expression):
        found = self.ask("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def wait(self, expression):
        end = time.monotonic() + 20
        while not self.value(expression):
            assert time.monotonic() < end, f"never {expression}"
            time.sleep(0.01)

    def open(self, address):
        self.ask("Page.navigate", url=address)
        self.wait("document.readyState === 'complete'")

    def press(self, key):
        for kind in ("keyDown", "keyUp"):
            self.ask("Input.dispatchKeyEvent", type=kind, key=key)

    def click(self, selector):
        box = self.value(
            f"(() => {{ const b = document.querySelector('{selector}')"
            ".getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2] "
            "})()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.ask(
                "Input.dispatchMouseEvent",
                **{"type": kind, "x": box[0], "y": box[1]},
                **{"button": "left", "clickCount": 1},
            )

    def picture(self, path):
        data = self.ask("Page.captureScreenshot", format="png")["data"]
        path.write_bytes(base64.b64decode(data))

    def end(self):
        self._process.terminate()
        self._process.wait(20)
        self._in.close()
        os.close(self._out)


@pytest.fixture
def browser(tmp_path):
    program = shutil.which("chromium") or shutil.which("google-chrome")
    assert program, "this test drives chromium; install it, or leave -m slow"
    browser = Browser(tmp_path / "profile", program)
    yield browser
    browser.end()


@pytest.fixture
def study(tmp_path):
    """16 questions about crops of a cat and a cup, and 4 catch questions."""
    source = samples.evaluation()
    photographs = {source.name(i): source[i]["image"] for i in range(len(source))}
    rng, crops = np.random.default_rng(0), {}
    for n in range(16):
        photograph = photographs[("chelsea", "coffee")[n % 2]]
        top, left = (rng.integers(side - SIDE) for side in photograph.shape[:2])
        crops[f"{n:02}"] = photograph[top : top + SIDE, left : left + SIDE]
    for name, amount in {"targets": 0, **NOISE}.items():
        (tmp_path / name).mkdir()
        for stem, crop in crops.items():
            noisy = np.clip(crop + rng.normal(0, amount, crop.shape), 0, 255)
            images.encode(noisy.astype(np.uint8), tmp_path / name / f"{stem}.png")
    methods = {name: tmp_path / name for name in NOISE}
    key = pages.make(
        tmp_path / "study", methods, tmp_path / "targets", methods["worst"], images=16
    )
    return tmp_path / "study", key


def _begin(browser):
    browser.click("#begin")
    browser.wait("!document.getElementById('trial').hidden && !busy")


def _wanted(browser, key):
    """The side with less noise, as the shown trial has it; blur is the worst."""
    order = ["target", *NOISE, "blurred"]
    shown = browser.value("state.order[state.position]")
    (trial,) = [trial for trial in key["trials"] if trial["trial"] == shown]
    return min(("left", "right"), key=lambda side: order.index(trial[side]))


def _settled(browser, position):
    browser.wait(f"state.position === {position} && (!busy || !at('end').hidden)")


def test_twenty_answers_by_key_click_and_second_thought_are_served_and_scored(
    browser, study, tmp_path
):
    folder, key = study
    ready = threading.Event()
    with studies.bound(folder, port=0, told=lambda address: ready.set()) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        assert ready.wait(10)
        browser.open(f"http://127.0.0.1:{server.port}/")
        assert browser.value("document.getElementById('count').textContent") == "20"
        browser.value("document.getElementById('name').value = '<Ann/../>'")
        _begin(browser)
        browser.picture(tmp_path / "wide.png")
        for position in range(20):
            side = _wanted(browser, key)
            if position == 5:  # a wrong key, and back
                browser.press(KEYS["left" if side == "right" else "right"][0])
                _settled(browser, 6)
                browser.press("Backspace")
                _settled(browser, 5)
            if position % 3 == 2:
                browser.click(f"#{side}")
            else:
                browser.press(KEYS[side][position % 3])
            _settled(browser, position + 1)
            # No frame round the side that was clicked last.
            assert browser.value("document.activeElement === document.body")
        browser.wait("at('sent').textContent.includes('have arrived')")
        server.stop()
        thread.join()
    (path,) = (folder / "answers").iterdir()
    assert path.name.startswith("Ann-") and path.name.endswith("-1.json")
    (rater,) = answers.read(folder, key)
    assert len(rater.answers) == 20 and min(rater.seconds.values()) >= 0
    result = perceptual_scores.score(folder)
    assert result["raters"]["excluded"] == {} and result["answers"] == 16
    scores = [result["bradley_terry"]["scores"][name]["score"] for name in NOISE]
    assert scores == sorted(scores, reverse=True)
    assert result["metrics"]["psnr"]["spearman"] == pytest.approx(1)
    assert result["metrics"]["psnr"]["agreement"]["rate"] == 1
    print(tables.text(result))


def test_a_page_opened_as_a_file_survives_a_reload_and_saves_what_there_is(
    browser, study, tmp_path
):
    folder, key = study
    saved = tmp_path / "saved"
    browser.ask(
        "Browser.setDownloadBehavior", behavior="allow", downloadPath=str(saved)
    )
    phone = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
    browser.ask("Emulation.setDeviceMetricsOverride", **phone)
    browser.open((folder / "study.html").as_uri())
    _begin(browser)
    # Both pictures are on the screen, whole and side by side.
    boxes = browser.value(
        "['left', 'right'].map((side) => { const b = "
        "document.querySelector(`#${side} img`).getBoundingClientRect(); "
        "return [b.left, b.right, b.top, b.bottom] })"
    )
    (left, right) = boxes
    assert 0 <= left[0] < left[1] <= right[0] < right[1] <= 390
    assert left[2] == right[2] and max(left[3], right[3]) <= 844
    assert browser.value("document.documentElement.scrollWidth") <= 390
    browser.picture(tmp_path / "phone.png")
    for position in range(7):
        browser.press(KEYS[_wanted(browser, key)][0])
        _settled(browser, position + 1)
    rater = browser.value("state.rater")
    browser.ask("Page.reload")
    browser.wait("document.readyState === 'complete' && state.position === 7")
    _begin(browser)
    assert browser.value("state.rater") == rater
    browser.click("#stop")
    assert "7 of 20" in browser.value("at('sent').textContent")
    browser.click("#save")
    path = saved / f"answers-{rater}.json"
    end = time.monotonic() + 20
    while not path.exists() and time.monotonic() < end:
        time.sleep(0.05)
    with pytest.raises(errors.ConfigError, match="7 of 20 questions are answered"):
        answers.read(folder, key, [path])
    (found,) = answers.read(folder, key, [path], partial=True)
    assert found.name == rater and len(found.answers) == 7
