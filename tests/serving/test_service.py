"""The web app without HTTP, on an engine that inverts."""

import asyncio
import collections
import contextlib
import dataclasses
import functools
import io
import itertools
import random
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from serving import fake_engine
from serving.pictures_of import array, chunks, decoded, png, run, running

from jaxrestore import errors, images
from jaxrestore.serving import decoding, renders, values
from jaxrestore.serving import options as options_of_jobs
from jaxrestore.serving import settings as settings_of
from jaxrestore.serving.refusals import Refusal
from jaxrestore.serving.values import Status

ROOT = Path(__file__).parents[2]


# An audit hook stays as long as its process.
LISTENING: list[bool] = []
OPENED: list[object] = []


def note_opened(event, arguments):
    if LISTENING and event in ("open", "os.listdir", "os.scandir", "shutil.rmtree"):
        OPENED.append(arguments)


def engine(**options):
    return functools.partial(fake_engine.FakeEngine, **options)


async def refused(coroutine):
    """The refusal that something is answered with."""
    with pytest.raises(Refusal) as found:
        await coroutine
    return found.value


async def until(condition):
    while not condition():
        await asyncio.sleep(0.005)


def with_service(**options):
    """Runs a test's coroutine with a service; it may have `engine_options`."""
    engine_options = options.pop("engine_options", {})

    def of(test):
        def wrapped(tmp_path):
            async def within():
                async with running(
                    tmp_path, engine=engine(**engine_options), **options
                ) as service:
                    await test(service)

            run(within())

        wrapped.__name__ = test.__name__
        return wrapped

    return of


def test_the_web_process_imports_no_jax():
    command = "import sys, jaxrestore.serving.service as s; "
    command += "print({'jax', 'flax'} & {*sys.modules})"
    made = subprocess.run(
        [sys.executable, "-c", command], cwd=ROOT, capture_output=True, check=True
    )
    assert made.stdout.decode().strip() == "set()"


@with_service()
async def test_a_picture_goes_in_and_comes_out_inverted(service):
    image = await service.add_image("me", chunks(png(1)), "photos/My cat.jpeg")
    assert (image.width, image.height, image.stem) == (24, 16, "My cat")
    assert await service.image(image.id) == image
    assert await service.images("me") == [image]
    assert await service.images("another") == []
    job = await service.add_job("me", image.id, "denoise", options={"strength": 0.5})
    assert job.method == "network" and not job.final
    seen = [job async for job in service.events(job.id)]
    statuses = [key for key, _ in itertools.groupby(job.status for job in seen)]
    assert statuses[-2:] == [Status.RUNNING, Status.DONE]
    assert sorted(job.share for job in seen) == [job.share for job in seen]
    done = await service.wait(job.id, 0)
    assert done == seen[-1]
    assert (done.numbers["width"], done.numbers["height"]) == (24, 16)
    assert done.numbers["run_s"] > 0 and done.numbers["queued_s"] >= 0
    known = service.ledger.models[done.numbers["model"]]
    assert known.sha256 == done.numbers["weights"] == "5e" * 32
    found = await service.result(job.id)
    np.testing.assert_array_equal(decoded(found.path.read_bytes()), 255 - array(1))
    assert (found.media_type, found.name) == ("image/png", "My cat.denoise-network.png")
    again = await service.result(job.id)
    jpeg = await service.result(job.id, "jpeg", quality=90)
    assert again == found and jpeg.etag != found.etag
    assert jpeg.media_type == "image/jpeg"
    shown = await service.result_preview(job.id)
    np.testing.assert_array_equal(decoded(shown.content), 255 - array(1))
    np.testing.assert_array_equal(
        decoded((await service.preview(image.id)).content), array(1)
    )
    assert service.ledger.jobs[job.id].status == Status.DONE
    assert service.ledger.history[job.id] == ["queued", "running", "done"]
    assert service.ledger.facts[job.id]["sha256"] == image.sha256
    names = {*service.ledger.facts[job.id]}
    assert names.isdisjoint({"stem", "owner", "id"}) and "mask_share" in names


@with_service()
async def test_16_bits_and_alpha_come_back(service):
    deep = array(5, channels=4, dtype=np.uint16) * 257
    image = await service.add_image("me", chunks(images.encoded(deep, ".png")))
    assert (image.bits, image.channels, image.alpha) == (16, 4, True)
    job = await service.add_job("me", image.id, "denoise")
    await service.wait(job.id, 5)
    wanted = np.concatenate([65535 - deep[..., :3], deep[..., 3:]], -1)
    made = decoded((await service.result(job.id)).path.read_bytes())
    np.testing.assert_array_equal(made, wanted)
    webp = decoded((await service.result(job.id, "webp")).path.read_bytes())
    np.testing.assert_array_equal(webp, wanted // 257)
    told = await refused(service.result(job.id, "jpeg"))
    assert told.status == 422 and "alpha" in told.detail


@with_service()
async def test_a_mask_says_what_changes(service):
    image = await service.add_image("me", chunks(png(1)))
    hole = np.zeros((16, 24, 1), np.uint8)
    hole[4:8, 4:8] = 255
    told = await refused(service.add_job("me", image.id, "inpaint"))
    assert (told.status, told.code) == (422, "no_mask")
    mask = await service.add_mask("me", image.id, chunks(images.encoded(hole, ".png")))
    job = await service.add_job("me", image.id, "inpaint", mask_id=mask)
    await service.wait(job.id, 5)
    made = decoded((await service.result(job.id)).path.read_bytes())
    np.testing.assert_array_equal(made, np.where(hole, 255 - array(1), array(1)))
    assert service.ledger.facts[job.id]["mask_share"] == 16 / (16 * 24)
    told = await refused(service.add_job("me", image.id, "denoise", mask_id=mask))
    assert told.code == "mask"
    other = await service.add_image("me", chunks(png(2)))
    told = await refused(service.add_job("me", other.id, "inpaint", mask_id=mask))
    assert (told.status, told.code) == (404, "no_mask")


BAD_JOBS = {
    "no_task": {"task": "denois"},
    "no_method": {"task": "denoise", "method": "magic"},
    "options": {"task": "denoise", "options": {"strength": 2}},
    "no_image": {"image_id": "0" * 32},
    "result_too_large": {"task": "sr", "options": {"scale": 4}},
}


@with_service(max_result_pixels=2000)
async def test_what_a_task_cannot_do_is_refused(service):
    image = await service.add_image("me", chunks(png(1)))
    for code, asked in BAD_JOBS.items():
        id = asked.pop("image_id", image.id)
        task = asked.pop("task", "denoise")
        told = await refused(service.add_job("me", id, task, **asked))
        assert told.code == code and told.detail.endswith("."), (code, told.detail)
    told = await refused(service.add_job("me", image.id, "sr", method="network"))
    assert "No weights for it ship." in told.detail
    await service._jobs.register.clerk.settled("")
    assert (404, "no_image") in service.ledger.refused
    assert len(service.ledger.refused) == len(BAD_JOBS) + 1
    assert service.engine.orders == []


@with_service(max_fit_pixels=100)
async def test_what_is_fitted_may_have_fewer_pixels(service):
    image = await service.add_image("me", chunks(png(1)))
    told = await refused(service.add_job("me", image.id, "denoise", method="prior"))
    assert told.code == "result_too_large" and "another method" in told.detail
    assert (await service.add_job("me", image.id, "denoise")).method == "network"


@with_service()
async def test_words_that_are_no_ids_open_nothing(service):
    names = ["..", "../../etc/passwd", "%2e%2e", "a" * 31, "A" * 32, "0" * 33, "\0", ""]
    names += ["0" * 32, "file:///etc/passwd", "CON", "x" * 300, "‮" + "0" * 31]
    fixed = len(names)
    rng, signs = random.Random(0), ["../", "/", "\\", "%2f", "\0", "0", "a", "é", "."]
    names += ["".join(rng.choices(signs, k=rng.randint(1, 40))) for _ in range(2000)]
    OPENED.clear()
    sys.addaudithook(note_opened)
    LISTENING.append(True)
    asked = (
        service.image,
        service.preview,
        service.job,
        service.result,
        service.batch,
        service.delete_image,
        service.delete_job,
        service.delete_batch,
        lambda name: service.add_mask("me", name, chunks(png())),
        lambda name: service.add_job("me", name, "denoise"),
    )
    for number, name in enumerate(names):
        for ask in asked if number < fixed else [asked[number % len(asked)]]:
            assert (await refused(ask(name))).status == 404, name
    LISTENING.clear()
    assert OPENED == []


@with_service(engine_options={"delay": 60.0}, slots=1)
async def test_a_job_is_cancelled_where_it_waits_and_where_it_runs(service):
    image = await service.add_image("me", chunks(png(1)))
    first = await service.add_job("me", image.id, "denoise")
    second = await service.add_job("me", image.id, "denoise")
    await until(lambda: service.engine.running)
    assert (await service.job(second.id)).position == 1
    cancelled = await service.cancel(second.id)
    assert (cancelled.status, cancelled.position) == (Status.CANCELLED, None)
    third = await service.add_job("me", image.id, "denoise")
    cancelled = await service.cancel(first.id)
    assert cancelled.status == Status.CANCELLED
    assert await service.cancel(first.id) == cancelled
    await until(lambda: third.id in service.engine.running)
    assert [order.job for order in service.engine.orders] == [first.id, third.id]
    told = await refused(service.result(first.id))
    assert (told.status, told.code) == (409, "not_done")
    await service.delete_job(third.id)
    assert (await refused(service.job(third.id))).status == 410
    assert service.ledger.jobs[third.id].status == Status.CANCELLED
    page, more = await service.jobs("me")
    assert [job.id for job in page] == [second.id, first.id] and more is None


@with_service(engine_options={"delay": 0.5, "steps": 50})
async def test_a_fit_is_shown_on_its_way_and_stopped_with_its_best(service):
    image = await service.add_image("me", chunks(png(1)))
    job = await service.add_job("me", image.id, "denoise", method="prior")
    assert (await refused(service.job_preview(job.id))).status == 404
    async for now in service.events(job.id):
        if now.preview:
            break
    shown = await service.job_preview(job.id)
    np.testing.assert_array_equal(decoded(shown.content), 255 - array(1))
    await service.finish(job.id)
    done = await service.wait(job.id, 5)
    assert done.status == Status.DONE and done.preview < 50
    told = await refused(service.finish(job.id))
    assert (told.status, told.code) == (409, "not_running")


@with_service()
async def test_pages_of_jobs_are_those_of_their_owner(service):
    image = await service.add_image("me", chunks(png(1)))
    made = []
    for _ in range(5):
        made.append((await service.add_job("me", image.id, "denoise")).id)
        await service.wait(made[-1], 5)
    other = await service.add_job("you", image.id, "sr", options={"scale": 2})
    await service.wait(other.id, 5)
    found, cursor = [], None
    for _ in range(3):
        page, cursor = await service.jobs("me", limit=2, cursor=cursor)
        found += [job.id for job in page]
    assert found == made[::-1] and cursor is None
    assert [job.id for job in (await service.jobs("you"))[0]] == [other.id]
    assert (await service.jobs("me", task="sr"))[0] == []
    assert len((await service.jobs("me", status=Status.DONE))[0]) == 5


@with_service(engine_options={"delay": 60.0}, slots=1, owner_jobs=2, max_jobs=3)
async def test_too_much_is_refused_at_once(service):
    image = await service.add_image("me", chunks(png(1)))
    for _ in range(2):
        await service.add_job("me", image.id, "denoise")
    began = time.process_time()
    told = await refused(service.add_job("me", image.id, "denoise"))
    assert time.process_time() - began < 0.05
    assert (told.status, told.code) == (429, "own_jobs") and told.retry_after >= 1
    await service.add_job("you", image.id, "denoise")
    told = await refused(service.add_job("they", image.id, "denoise"))
    assert (told.status, told.code) == (503, "queue_full") and told.retry_after >= 1
    assert service.gauges()["queue_jobs"] + service.gauges()["running_jobs"] == 3


@with_service(owner_uploads=3, max_bytes=5000, owner_spool=8000)
async def test_uploads_have_limits(service):
    told = await refused(service.add_image("me", chunks(bytes(5001))))
    assert (told.status, told.code) == (413, "too_many_bytes")
    told = await refused(service.add_image("me", chunks(b"")))
    assert (told.status, told.code) == (422, "empty")
    told = await refused(service.add_image("me", chunks(b"no picture")))
    assert told.status == 415
    told = await refused(service.add_image("me", chunks(png())))
    assert (told.status, told.code) == (429, "too_many_uploads")
    for seed in range(3):
        await service.add_image("you", chunks(png(seed, height=32)))
        if service.gauges()["spool_bytes"] > 8000:
            break
    told = await refused(service.add_image("you", chunks(png(9))))
    assert (told.status, told.code) == (429, "own_spool")
    spool = service.settings.spool_folder
    assert [*(spool / "incoming").iterdir()] == []
    assert len([*(spool / "images").iterdir()]) == len(await service.images("you"))


@with_service(max_spool=1)
async def test_a_full_spool_takes_nothing_more(service):
    await service.add_image("me", chunks(png(1)))
    told = await refused(service.add_image("you", chunks(png(2))))
    assert (told.status, told.code) == (507, "spool_full")


@with_service(engine_options={"warm": False})
async def test_before_the_engine_is_warm_jobs_wait(service):
    ready, why = service.ready()
    assert not ready and "not ready" in why[0]
    assert service.health() == (True, [])
    image = await service.add_image("me", chunks(png(1)))
    job = await service.add_job("me", image.id, "denoise")
    assert (await service.wait(job.id, 0.05)).status == Status.QUEUED
    service.engine.warmed()
    assert service.ready() == (True, [])
    assert (await service.wait(job.id, 5)).status == Status.DONE


@with_service(engine_options={"delay": 0.2}, slots=1)
async def test_who_waits_for_a_job_is_called_at_its_end_alone(service):
    image = await service.add_image("me", chunks(png(1)))
    jobs = [await service.add_job("me", image.id, "denoise") for _ in range(3)]
    waiting = [asyncio.ensure_future(service.wait(job.id, 20)) for job in jobs]
    register, asked = service._jobs.register, collections.Counter()
    get = register.get

    async def counted(id):
        asked[id] += 1
        await asyncio.sleep(0.01)
        return await get(id)

    register.get = counted
    # One who leaves as it looks takes nobody's bell along.
    leaving = asyncio.ensure_future(service.wait(jobs[1].id, 20))
    await asyncio.sleep(0.005)
    leaving.cancel()
    async with asyncio.timeout(5):
        first, second = await waiting[0], await waiting[1]
    assert first.status == second.status == Status.DONE
    await service.delete_job(jobs[2].id)
    with pytest.raises(Refusal) as told:
        await waiting[2]
    assert told.value.status == 410
    # Before it waits, at its end, and for its answer; not as places and shares change.
    assert max(asked.values()) <= 4  # and once for who left
    assert not register._ends and not register._bells


@with_service(engine_options={"delay": 0.2}, slots=4)
async def test_what_ran_when_the_engine_died_runs_once_more(service):
    image = await service.add_image("me", chunks(png(1)))
    jobs = [await service.add_job("me", image.id, "denoise") for _ in range(3)]
    await until(lambda: len(service.engine.running) == 3)
    service.engine.die()
    done = [await service.wait(job.id, 10) for job in jobs]
    assert [(job.status, job.tries) for job in done] == [(Status.DONE, 1)] * 3
    assert service.engine.status.restarts == 1


@with_service(engine_options={"poison": 77, "delay": 0.05}, slots=4)
async def test_a_picture_that_ends_the_engine_ends_nothing_else(service):
    poison = array(3)
    poison[0, 0, 0] = 77
    bad = await service.add_image("bad", chunks(images.encoded(poison, ".png")))
    good = await service.add_image("good", chunks(png(1)))
    assert array(1)[0, 0, 0] != 77
    jobs = [await service.add_job("good", good.id, "denoise") for _ in range(2)]
    killer = await service.add_job("bad", bad.id, "denoise")
    jobs += [await service.add_job("good", good.id, "denoise") for _ in range(2)]
    ended = await service.wait(killer.id, 10)
    assert (ended.status, ended.code) == (Status.FAILED, "engine_restarted")
    assert ended.detail.endswith("not tried again.")
    for job in jobs:
        assert (await service.wait(job.id, 10)).status == Status.DONE
    assert service.engine.restarts == 2
    again = chunks(images.encoded(poison, ".png"))
    told = await refused(service.add_image("other", again))
    assert (told.status, told.code) == (422, "quarantined")


class Broken(fake_engine.FakeEngine):
    """Tells what a test asks for, and writes nothing."""

    ended = values.Ended("", Status.DONE)

    async def _run(self, order):
        self.running.pop(order.job, None)
        told = self.ended
        self.told(values.Ended(order.job, told.status, told.code, told.detail))


@pytest.mark.parametrize(
    ("ended", "code"),
    [
        (values.Ended("", Status.DONE), "no_result"),
        (values.Ended("", Status.FAILED, "device_oom", "Too large."), "device_oom"),
        (values.Ended("", Status.FAILED), "failed"),
    ],
)
def test_what_fails_says_why(tmp_path, monkeypatch, ended, code):
    monkeypatch.setattr(Broken, "ended", ended)

    async def within():
        async with running(tmp_path, engine=Broken) as service:
            image = await service.add_image("me", chunks(png(1)))
            job = await service.add_job("me", image.id, "denoise")
            job = await service.wait(job.id, 30)
            assert (job.status, job.code) == (Status.FAILED, code)
            assert job.detail.endswith(".")
            assert (await refused(service.result(job.id))).detail == job.detail

    run(within())


class Slow(fake_engine.MemoryLedger):
    """Writes everything down a while after it was asked to."""

    def change(self, job_id, fields):
        time.sleep(0.05)
        super().change(job_id, fields)


def test_nobody_is_told_of_what_is_not_written_down(tmp_path):
    async def within():
        async with running(tmp_path, ledger=Slow()) as service:
            image = await service.add_image("me", chunks(png(1)))
            job = await service.add_job("me", image.id, "denoise")
            assert service.ledger.jobs[job.id].id == job.id
            async for now in service.events(job.id):
                assert service.ledger.jobs[job.id].status == now.status

    run(within())


class Full(fake_engine.MemoryLedger):
    def add(self, job, facts):
        raise errors.DiskError("no space left")


def test_a_job_that_cannot_be_written_down_is_not_taken(tmp_path):
    async def within():
        async with running(tmp_path, ledger=Full()) as service:
            image = await service.add_image("me", chunks(png(1)))
            told = await refused(service.add_job("me", image.id, "denoise"))
            assert (told.status, told.code) == (507, "disk_full")
            assert service.engine.orders == [] and service.gauges()["queue_jobs"] == 0
            assert not service.ready()[0]

    run(within())


class Clock:
    now = 1_000_000.0

    def __call__(self):
        return self.now


def test_pixels_are_gone_when_their_time_is_over(tmp_path):
    clock = Clock()

    async def within():
        async with running(
            tmp_path, clock=clock, kept_s=100, engine=engine(delay=0.05)
        ) as service:
            spool = service.settings.spool_folder
            image = await service.add_image("me", chunks(png(1)))
            clock.now += 90
            job = await service.add_job("me", image.id, "denoise")
            clock.now += 20
            service.sweep()  # the job needs the picture still
            await service.image(image.id)
            done = await service.wait(job.id, 5)
            assert done.status == Status.DONE and done.expires == clock.now + 100
            clock.now += 99
            service.sweep()
            await service.result(job.id)
            await service.image(image.id)  # as long as its result, to be compared
            clock.now += 2
            service.sweep()
            await service._jobs.register.clerk.settled(job.id)
            assert (await refused(service.job(job.id))).status == 410
            assert (await refused(service.image(image.id))).status == 410
            assert [*spool.rglob("*.npy")] == []
            assert service.gauges()["spool_bytes"] == 0
            assert service.ledger.jobs[job.id].status == Status.DONE

    run(within())


def test_who_waits_or_runs_too_long_is_told_so(tmp_path):
    clock = Clock()

    async def within():
        async with running(
            tmp_path,
            clock=clock,
            engine=engine(delay=60.0),
            slots=1,
            run_s=50,
            max_queued_s=20,
        ) as service:
            image = await service.add_image("me", chunks(png(1)))
            first = await service.add_job("me", image.id, "denoise")
            second = await service.add_job("me", image.id, "denoise")
            await until(lambda: service.engine.running)
            clock.now += 30
            service.sweep()
            waited = await service.job(second.id)
            assert (waited.status, waited.code) == (Status.EXPIRED, "waited_too_long")
            clock.now += 30
            service.sweep()
            ran = await service.job(first.id)
            assert (ran.status, ran.code) == (Status.FAILED, "too_long")
            assert service.engine.running == {}

    run(within())


@with_service()
async def test_what_people_think_is_written_down(service):
    image = await service.add_image("me", chunks(png(1)))
    job = await service.add_job("me", image.id, "denoise")
    await service.feedback(job.id, -1, "too smooth")
    assert service.ledger.ratings == {job.id: (-1, "too smooth")}
    assert (await refused(service.feedback(job.id, 5))).status == 422


@with_service()
async def test_a_deleted_picture_takes_its_jobs_along(service):
    image = await service.add_image("me", chunks(png(1)))
    job = await service.add_job("me", image.id, "denoise")
    await service.wait(job.id, 5)
    await service.delete_image(image.id)
    assert (await refused(service.image(image.id))).status == 404
    assert (await refused(service.job(job.id))).status == 410
    await service._jobs.register.clerk.settled(job.id)
    assert [*service.settings.spool_folder.rglob("*.npy")] == []


def test_a_spool_is_one_servers_and_nobody_elses(tmp_path):
    async def within():
        async with running(tmp_path) as service:
            assert service.settings.spool_folder.stat().st_mode & 0o777 == 0o700
            with pytest.raises(errors.ConfigError, match="used by another server"):
                async with running(tmp_path):
                    pass
        async with running(tmp_path):
            pass

    run(within())


@with_service(slots=4, max_jobs=200, max_queue_s=1e6, engine_options={"delay": 0.02})
async def test_64_at_once_each_get_their_own(service):
    """Different sizes, kinds and tasks: nothing of one is ever in another's."""

    async def visit(number):
        owner = f"owner{number}"
        shape = {"height": 9 + number % 5, "width": 11 + number % 7}
        shape["channels"] = (1, 3, 4)[number % 3]
        mine = array(number, **shape)
        image = await service.add_image(owner, chunks(images.encoded(mine, ".png")))
        scale = 2 if number % 2 else 1
        options = {"scale": 2} if number % 2 else {}
        task = "sr" if number % 2 else "denoise"
        job = await service.add_job(owner, image.id, task, options=options)
        async for now in service.events(job.id):
            assert (now.owner, now.image_id) == (owner, image.id)
        found = await service.result(job.id)
        made = decoded(await asyncio.to_thread(found.path.read_bytes))
        wanted = 255 - mine
        if shape["channels"] == 4:
            wanted[..., 3] = mine[..., 3]
        wanted = wanted.repeat(scale, 0).repeat(scale, 1)
        return np.array_equal(made, wanted)

    found = await asyncio.gather(*(visit(number) for number in range(64)))
    assert found == [True] * 64
    assert len(service.engine.orders) == 64


@with_service(engine_options={"warm": False})
async def test_what_came_while_the_engine_was_silent_begins_when_it_is_back(service):
    service.engine.warmed()
    image = await service.add_image("me", chunks(png(1)))
    service.engine.ready = False  # as one is called that stood still for a while
    job = await service.add_job("me", image.id, "denoise")
    assert (await service.wait(job.id, 0.05)).status == Status.QUEUED
    service.engine.ready = True
    service.told(values.Beat(0.0, 0))
    assert (await service.wait(job.id, 5)).status == Status.DONE


@with_service()
async def test_a_whole_number_may_be_written_with_a_point(service):
    image = await service.add_image("me", chunks(png(1)))
    job = await service.add_job("me", image.id, "sr", options={"scale": 2.0})
    assert isinstance(job.options["scale"], int)


def test_an_option_is_of_a_method_and_a_scale_of_a_network():
    rules = {"scale": {"enum": [2, 3, 4], "x-methods": ["network", "prior"]}}
    rules["iterations"] = {"type": "integer", "x-methods": ["prior"]}
    task = values.TaskInfo(
        *("sr", "Enlarge", "", ("network", "prior")),
        options={"type": "object", "properties": rules},
        networks=(values.Network("sr_x2", "srvggnet", "CC0-1.0", "5e" * 32, 2),),
    )
    checked = functools.partial(options_of_jobs.checked, task)
    assert checked({"scale": 4, "iterations": 9}, "prior")["scale"] == 4
    assert checked({"scale": 2}, "network") == {"scale": 2}
    with pytest.raises(Refusal) as found:
        checked({"iterations": 9}, "network")
    assert "takes no iterations with the method network" in found.value.detail
    with pytest.raises(Refusal) as found:
        checked({"scale": 3}, "network")
    assert "does it 2 times, and not 3 times" in found.value.detail
    image = values.Image(
        *("a", "me", 2500, 2000, 3, 8, False, "PNG", 1, "5e" * 32, "a", 0.0, 0.0)
    )
    limits = settings_of.Settings(folder=ROOT, max_result_pixels=20_000_000)
    other = dataclasses.replace(task, scales=(4, 2))
    rules["scale"]["default"] = 2
    options_of_jobs.check_size(other, "network", {}, image, limits)


@pytest.mark.parametrize("options", [{"\ud800": 1}, {"strength": "\ud800"}])
def test_options_that_are_no_text_are_refused(options):
    with pytest.raises(Refusal) as found:
        options_of_jobs.checked(fake_engine.DENOISE, options, "network")
    assert (found.value.status, found.value.code) == (422, "options")


@with_service()
async def test_what_is_deleted_while_files_of_it_are_made_is_not_there(service):
    image = await service.add_image("me", chunks(png(1)))
    job = await service.add_job("me", image.id, "denoise")
    await service.wait(job.id, 5)
    mask, children = png(2, channels=1), service._children
    busy = [children.call(time.sleep, 0.3, seconds=5) for _ in range(2)]
    asked = [asyncio.ensure_future(one) for one in busy]
    await until(lambda: children.calls == 2)
    asked = [
        asyncio.ensure_future(refused(one))
        for one in (
            *(service.result(job.id, format) for format in ("png", "webp", "tiff")),
            service.preview(image.id, 256),
            service.add_mask("me", image.id, chunks(mask)),
        )
    ]
    await until(lambda: children.calls == 7)
    await service.delete_image(image.id)
    assert {(await one).status for one in asked} <= {404, 410}
    assert [*(service.settings.spool_folder / "images").iterdir()] == []


@with_service()
async def test_what_is_deleted_while_jobs_are_listed_is_left_out(service):
    image = await service.add_image("me", chunks(png(1)))
    made = [await service.add_job("me", image.id, "denoise") for _ in range(3)]
    batch = await service.add_batch("me", [image.id, image.id], "denoise")
    for id in [job.id for job in made] + [*batch.jobs]:
        await service.wait(id, 5)
    kept, deleted = made[2].id, made[0].id
    for id in (kept, batch.jobs[0]):  # what is asked for first is being written down
        service._jobs.register.clerk.write(id, time.sleep, 0.2)
    listing = asyncio.ensure_future(service.jobs("me"))
    following = asyncio.ensure_future(service.batch_jobs(batch.id))
    await asyncio.sleep(0)
    await service.delete_job(deleted)
    await service.delete_job(batch.jobs[1])
    found = {job.id for job in (await listing)[0]}
    assert kept in found and deleted not in found
    assert [job.id for job in await following] == [batch.jobs[0]]


@contextlib.contextmanager
def full_disk():
    """Inside no file of this process grows: EFBIG, where a full disk says ENOSPC."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


ENCODE, PREVIEW = decoding.encode, decoding.preview


def encode_on_a_full_disk(*asked):
    with full_disk():
        return ENCODE(*asked)


def preview_on_a_full_disk(*asked):
    with full_disk():
        return PREVIEW(*asked)


@with_service()
async def test_what_is_done_is_sent_though_the_disk_is_full(service):
    image = await service.add_image("me", chunks(png(1)))
    batch = await service.add_batch("me", [image.id], "denoise")
    (job,) = batch.jobs
    await service.wait(job, 5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoding, "encode", encode_on_a_full_disk)
        patch.setattr(decoding, "preview", preview_on_a_full_disk)
        found = await service.result(job)
        with found.open() as file:
            np.testing.assert_array_equal(decoded(file.read()), 255 - array(1))
        shown = await service.preview(image.id)
        np.testing.assert_array_equal(decoded(shown.content), array(1))
        parts = [part async for part in service.batch_zip(batch.id)]
        with zipfile.ZipFile(io.BytesIO(b"".join(parts))) as archive:
            assert archive.namelist() == [found.name, "manifest.csv"]
            made = decoded(archive.read(found.name))
        np.testing.assert_array_equal(made, 255 - array(1))
        places = {path.name for path in service.settings.spool_folder.rglob("*.*")}
        assert places == {"values.npy", "result.npy", "told.json"}
    kept = await service.result(job)
    assert kept.path.is_file() and kept.file is None


@with_service()
async def test_results_that_are_held_in_memory_have_a_limit(service):
    image = await service.add_image("me", chunks(png(1)))
    job = await service.add_job("me", image.id, "denoise")
    await service.wait(job.id, 5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoding, "encode", encode_on_a_full_disk)
        patch.setattr(renders, "_MOST_HELD", 2000)
        found = await service.result(job.id)
        assert found.open().seek(0, 2) > 1000
        told = await refused(service.result(job.id, "tiff"))
        assert (told.status, told.code) == (507, "disk_full") and told.retry_after
        del found
        assert (await service.result(job.id, "tiff")).file is not None


@with_service(engine_options={"delay": 0.5, "steps": 50})
async def test_all_that_is_in_the_spool_is_counted(service):
    def is_counted():
        files = [p for p in service.settings.spool_folder.rglob("*") if p.is_file()]
        return service.gauges()["spool_bytes"] == sum(p.stat().st_size for p in files)

    image = await service.add_image("me", chunks(png(1)))
    hole = np.zeros((16, 24, 1), np.uint8)
    hole[4:8] = 255
    await service.add_mask("me", image.id, chunks(images.encoded(hole, ".png")))
    assert is_counted()
    job = await service.add_job("me", image.id, "denoise", method="prior")
    assert is_counted()
    async for now in service.events(job.id):
        if now.preview:
            break
    assert is_counted()
    await service.finish(job.id)
    await service.wait(job.id, 5)
    batch = await service.add_batch("me", [image.id], "denoise")
    await service.wait(batch.jobs[0], 5)
    assert is_counted()
    await service.preview(image.id)
    await service.result_preview(job.id)
    await service.result(job.id, "webp")
    assert is_counted()
    asked = asyncio.ensure_future(service.result(job.id, "tiff"))
    while not service._renders._making:  # a glance, which `until` may miss
        await asyncio.sleep(0)
    asked.cancel()
    await until(lambda: not service._renders._making)
    assert [*service.settings.spool_folder.rglob("*.tif")] and is_counted()
    (service.settings.spool_folder / "incoming" / "upload").write_bytes(bytes(1000))
    assert is_counted()


@with_service(owner_spool=8000)
async def test_results_count_for_their_owner_and_are_not_kept_where_that_is_too_much(
    service,
):
    image = await service.add_image("me", chunks(png(1)))
    job = await service.add_job("me", image.id, "denoise")
    await service.wait(job.id, 5)
    for quality in range(50, 100):
        found = await service.result(job.id, "jpeg", quality=quality)
        if found.file is not None:
            break
    assert not found.path.exists() and decoded(found.open().read()).shape == (16, 24, 3)
    assert (await service.result_preview(job.id)).content
    assert 8000 <= service.gauges()["spool_bytes"] < 10_000
    told = await refused(service.add_image("me", chunks(png(2))))
    assert (told.status, told.code) == (429, "own_spool")
    await service.add_image("you", chunks(png(2)))
    await service.delete_job(job.id)
    await service._jobs.register.clerk.settled(job.id)
    await service.add_image("me", chunks(png(2)))
