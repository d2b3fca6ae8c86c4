"""Servers as processes: one that is real, and two that are replaced under load."""

import asyncio
import io
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image
from serving.http import live

ROOT = Path(__file__).parents[3]
API = "/api/v1"

pytestmark = pytest.mark.slow


def restored(place, picture):
    """The answer to one request that restores a picture."""
    form = {"task": "denoise"}
    files = {"file": ("in.png", picture)}
    return httpx.post(f"{place}{API}/restore", data=form, files=files, timeout=30)


def test_the_real_one_restores_and_its_web_process_has_no_jax(tmp_path):
    command = [sys.executable, "-m", "jaxrestore", "serve", "--port", "0"]
    process = subprocess.Popen(
        [*command, "--folder", str(tmp_path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        place = live.where(process)
        with httpx.Client(base_url=place, timeout=60) as to:
            for _ in range(240):
                if to.get("/readyz").status_code == 200:
                    break
                time.sleep(1)
            tasks = {one["name"]: one for one in to.get(f"{API}/tasks").json()["tasks"]}
            assert "network" in tasks["denoise"]["methods"]
            answer = restored(place, live.png(np.full((64, 64, 3), 90, np.uint8)))
            assert answer.status_code == 200, answer.text
            assert answer.headers["content-type"] == "image/png"
            loaded = Path(f"/proc/{process.pid}/maps").read_text()
            assert "httptools" in loaded and "jaxlib" not in loaded
            assert 'jobs_total{model="denoise"' in to.get("/metrics").text
            summary = to.get(f"{API}/records/summary").json()
            assert summary["jobs"] == 1
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 128 + signal.SIGTERM
        mode = (tmp_path / "records.sqlite").stat().st_mode
        assert mode & 0o077 == 0


async def uses(place, number):
    """Restores three pictures of a user's own; whether each came back as it should."""
    draw = np.random.default_rng(number)
    json = {"content-type": "image/png"}
    async with httpx.AsyncClient(base_url=place, timeout=60) as to:
        await to.get("/docs", headers={"accept": "text/html"})  # a session

        async def patient(method, where, **more):
            while (answer := await to.request(method, where, **more)).is_error:
                assert answer.status_code in (429, 503), answer.text
                await asyncio.sleep(
                    float(answer.headers["retry-after"]) * draw.random()
                )
            return answer

        right = []
        for _ in range(3):
            pixels = draw.integers(0, 256, (*draw.integers(16, 90, 2), 3), np.uint8)
            sent = live.png(pixels)
            image = await patient("POST", f"{API}/images", content=sent, headers=json)
            asked = {"image_id": image.json()["id"], "task": "denoise"}
            job = (await patient("POST", f"{API}/jobs", json=asked)).json()
            while job["status"] in ("queued", "running"):
                wait = {"prefer": "wait=20"}
                job = (await to.get(job["links"]["self"], headers=wait)).json()
            found = (await patient("GET", job["links"]["result"])).content
            back = np.asarray(Image.open(io.BytesIO(found)))
            right.append(np.array_equal(back, 255 - pixels))
        return right


def test_64_users_at_once_get_their_own_pictures_back(tmp_path):
    async def all_at_once(place):
        return await asyncio.gather(*(uses(place, number) for number in range(64)))

    process, place = live.started(tmp_path, 0.05)
    with process:
        found = asyncio.run(all_at_once(place))
        process.send_signal(signal.SIGHUP)  # as when its terminal is closed
        assert process.wait(60) == 128 + signal.SIGHUP
    assert found == [[True] * 3] * 64


class Balancer:
    """Sends each request to a server that is ready, as nginx does with its upstreams.

    One that cannot be reached, or says that it drains, is asked no more.
    """

    def __init__(self):
        self.places, self.away, self.lost, self.done = [], set(), [], 0
        self.ended = threading.Event()

    def load(self, picture):
        while not self.ended.is_set():
            for place in [one for one in self.places if one not in self.away]:
                try:
                    answer = restored(place, picture)
                except httpx.ConnectError:
                    self.away.add(place)
                    continue
                if answer.status_code == 503 and "draining" in answer.text:
                    self.away.add(place)
                    continue
                if answer.status_code != 200:
                    self.lost.append(answer.text)
                self.done += 1
                break
            else:
                self.lost.append("no server")


def test_servers_are_replaced_one_after_the_other_and_no_request_is_lost(tmp_path):
    balancer = Balancer()
    picture = live.png(np.full((16, 16), 90, np.uint8))
    running = [live.started(tmp_path / f"{n}", 0.2) for n in range(2)]
    balancer.places = [place for _, place in running]
    clients = [
        threading.Thread(target=balancer.load, args=(picture,)) for _ in range(3)
    ]
    for client in clients:
        client.start()
    for number, (process, place) in enumerate([*running]):
        time.sleep(1.5)
        fresh = live.started(tmp_path / f"again-{number}", 0.2)
        running.append(fresh)
        balancer.places = [*balancer.places, fresh[1]]
        process.send_signal(signal.SIGTERM)
        with process:
            assert process.wait(60) == 128 + signal.SIGTERM
        balancer.places = [one for one in balancer.places if one != place]
    time.sleep(1)
    balancer.ended.set()
    for client in clients:
        client.join(60)
    for process, _ in running[2:]:
        process.terminate()
        with process:
            process.wait(60)
    assert balancer.lost == [] and balancer.done >= 10
