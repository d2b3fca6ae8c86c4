"""A server that is killed: what it had acknowledged is accounted for."""

import asyncio
import collections
import functools
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from serving import fake_engine
from serving.pictures_of import chunks, png, run, running

from jaxrestore.serving import spool
from jaxrestore.serving.records.ledger import Ledger
from jaxrestore.serving.refusals import Refusal
from jaxrestore.serving.values import Image, Job, Status

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


def url(folder):
    return f"sqlite:///{folder / 'records.sqlite'}"


def started(folder, mode, **options):
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    return subprocess.Popen(
        [sys.executable, str(HERE / "to_be_killed.py"), str(folder), mode],
        env={**os.environ, "PYTHONPATH": paths},
        stdout=subprocess.PIPE,
        text=True,
        **options,
    )


def killed(folder, seconds, least):
    """The lines that a server printed before it was killed."""
    with started(folder, "take") as process:
        lines = [process.stdout.readline() for _ in range(least)]
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
        lines += process.stdout.read().splitlines(keepends=True)
    assert all(line.endswith("\n") for line in lines[:-1])
    return [line for line in lines if line.endswith("\n")]


def check(folder, times, rng):
    acknowledged = []
    for _ in range(times):
        acknowledged += killed(folder, rng.uniform(0, 0.3), rng.randint(1, 10))
    assert len(acknowledged) >= times
    with started(folder, "finish", stdin=subprocess.PIPE) as process:
        told, _ = process.communicate("".join(acknowledged), timeout=240)
    assert process.returncode == 0
    became = collections.Counter(told.splitlines())
    print(became)
    assert became.total() == len(acknowledged)
    return became


def test_a_server_that_is_killed_goes_on_where_it_was(tmp_path):
    assert [*check(tmp_path, 1, random.Random(0))] == ["done None True"]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_server_that_is_killed_50_times_loses_no_acknowledged_job(tmp_path):
    seed = random.randrange(10**9)
    print(f"seed {seed}")
    became = check(tmp_path, 50, random.Random(seed))
    killed_twice = became.pop("failed server_restarted False", 0)
    assert [*became] == ["done None True"] and became.total() > killed_twice


def test_what_waits_when_a_server_is_stopped_is_done_by_the_next(tmp_path):
    async def first(ledger):
        async with running(tmp_path, ledger=ledger, slots=1) as service:
            service.engine.delay = 60.0
            image = await service.add_image("me", chunks(png(1)))
            jobs = [await service.add_job("me", image.id, "denoise") for _ in range(3)]
            while not service.engine.running:
                await asyncio.sleep(0.001)
        assert {job.status for job in ledger.unfinished()} == {Status.QUEUED}
        assert len(ledger.unfinished()) == 3
        assert {job.tries for job in ledger.unfinished()} == {0}
        return [job.id for job in jobs]

    async def second(ledger, ids):
        async with running(tmp_path, ledger=ledger) as service:
            done = [await service.wait(id, 10) for id in ids]
            assert [job.status for job in done] == [Status.DONE] * 3
            assert [job.id for job in (await service.jobs("me"))[0]] == ids[::-1]

    async def third(ledger, ids):
        async with running(tmp_path, ledger=ledger) as service:
            assert service.engine.orders == []
            for id in ids:
                assert (await service.result(id)).path.is_file()

    with Ledger(url(tmp_path)) as ledger:
        ids = run(first(ledger))
    for later in (second, third):
        with Ledger(url(tmp_path)) as ledger:
            run(later(ledger, ids))


def test_what_cannot_go_on_fails_and_says_why(tmp_path):
    job = Job(spool.new_id(), "me", spool.new_id(), "denoise", "network", 1e9, 4e9)
    lost = Job(spool.new_id(), "me", spool.new_id(), "denoise", "network", 1e9, 4e9)
    unknown = Job(spool.new_id(), "me", spool.new_id(), "denoise", "network", 1e9, 4e9)
    kept = spool.Spool(tmp_path / "spool")
    kept.open()
    for one in (job, unknown):
        kept.make(Job, one.id)
        kept.keep(one)
    (kept.folder / "images" / "rubbish").mkdir()
    (kept.folder / "incoming" / "left").write_bytes(b"half an upload")
    kept.close()
    with Ledger(url(tmp_path)) as ledger:
        ledger.add(job, {})
        ledger.add(lost, {})

    async def within(ledger):
        async with running(tmp_path, ledger=ledger) as service:
            for one in (job, lost):
                ended = await service.job(one.id)
                assert (ended.status, ended.code) == (Status.FAILED, "server_restarted")
            assert not kept.place(Job, unknown.id).exists()
            assert service.engine.orders == []
            assert [*kept.kept(Image)] == []
            assert [*(kept.folder / "incoming").iterdir()] == []

    with Ledger(url(tmp_path)) as ledger:
        run(within(ledger))


def test_what_ran_when_a_server_was_killed_runs_alone_once_more_and_then_no_more(
    tmp_path,
):
    ledger = fake_engine.MemoryLedger()
    slow = functools.partial(fake_engine.FakeEngine, delay=60.0)

    async def at_work(count):
        """A server that is killed while it works on so many jobs, and the jobs."""
        async with running(tmp_path, ledger=ledger, engine=slow) as service:
            for number in range(2 * (not ledger.jobs)):
                image = await service.add_image(f"owner{number}", chunks(png(number)))
                await service.add_job(f"owner{number}", image.id, "denoise")
            while len(service.engine.running) < count:
                await asyncio.sleep(0.001)
            await asyncio.sleep(0.02)  # in which another one would begin
            at_work, left = [*service.engine.running], dict(ledger.jobs)
        ledger.jobs = left  # who is killed writes nothing at the end
        return at_work

    async def again(killer, innocent):
        async with running(tmp_path, ledger=ledger) as service:
            assert (await service.wait(innocent, 5)).status == Status.DONE
            ended = await service.job(killer)
            assert (ended.status, ended.code) == (Status.FAILED, "server_restarted")
            assert ended.detail.endswith("not tried again.") and ended.tries == 2
            assert [order.job for order in service.engine.orders] == [innocent]
            number = [*ledger.jobs].index(killer)
            with pytest.raises(Refusal, match="not taken again"):
                await service.add_image("me", chunks(png(number)))

    first = run(at_work(2))
    assert {ledger.jobs[id].status for id in first} == {Status.RUNNING}
    (killer,) = run(at_work(1))
    (innocent,) = {*first} - {killer}
    assert (ledger.jobs[innocent].status, ledger.jobs[innocent].tries) == ("queued", 1)
    run(again(killer, innocent))
