import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from serving.engine.watched import Watched, scenario

from jaxrestore.serving import contracts, values
from jaxrestore.serving.engine import supervisor

DONE, CANCELLED = values.Status.DONE, values.Status.CANCELLED


@pytest.fixture(autouse=True)
def fake(monkeypatch):
    monkeypatch.setattr(supervisor, "_WORKER", "tests.serving.engine.fake_worker")
    monkeypatch.setattr(supervisor, "_FIRST_S", 0.01)


def test_orders_end_and_the_status_says_how_it_is(tmp_path):
    async def steps(watched):
        assert isinstance(watched.engine, contracts.Engine)
        watched.order("a")
        await watched.until(lambda: watched.ended() == {"a": DONE})
        kinds = [type(event).__name__ for event in watched.told]
        assert kinds == ["Ready", "Started", "Ended"]
        status = watched.engine.status
        assert status.ready and status.alive and status.running == 0
        assert status.device == "fake" and status.memory == 1000
        assert 0 <= status.heartbeat_age_s < 5 and status.restarts == 0

    scenario(tmp_path, steps)
    # What is compiled is code: nobody else may write it.
    assert (tmp_path / "programs").stat().st_mode & 0o777 == 0o700


def test_the_process_yields_to_its_server_and_not_to_its_terminal(tmp_path):
    async def steps(watched):
        # Linux's autogroup weighs sessions against each other, not by niceness.
        assert os.getsid(watched.engine.pid) == os.getsid(0)
        assert os.getpgid(watched.engine.pid) != os.getpgid(0)

    scenario(tmp_path, steps)


def test_more_than_the_slots_wait_and_can_be_cancelled_there(tmp_path):
    async def steps(watched):
        watched.order("runs", seconds=30)
        watched.order("waits", seconds=30)
        await watched.until(lambda: watched.of(values.Started))
        assert watched.engine.status.running == 2
        watched.engine.cancel("nobody's")
        watched.engine.cancel("waits")
        watched.engine.cancel("runs")
        cancelled = {"runs": CANCELLED, "waits": CANCELLED}
        await watched.until(lambda: watched.ended() == cancelled)
        assert [event.job for event in watched.of(values.Started)] == ["runs"]

    scenario(tmp_path, steps, slots=1)


def test_a_death_is_told_of_what_ran_and_another_process_takes_what_waits(tmp_path):
    async def steps(watched):
        for job in ("a", "b", "c"):
            watched.order(job, seconds=30 if job != "c" else 0)
        await watched.until(lambda: len(watched.of(values.Started)) == 2)
        before = watched.engine.pid
        os.kill(before, signal.SIGKILL)
        await watched.until(lambda: watched.ended() == {"c": DONE})
        assert {event.job for event in watched.of(values.Died)} == {"a", "b"}
        assert watched.engine.status.restarts == 1
        assert watched.engine.pid != before

    scenario(tmp_path, steps, slots=2)


def test_one_that_is_to_run_alone_does(tmp_path):
    async def steps(watched):
        watched.order("innocent", seconds=0.3)
        watched.order("guilty", task="die")
        await watched.until(lambda: len(watched.of(values.Died)) == 2)
        watched.order("innocent", seconds=0.3, alone=True)
        watched.order("guilty", task="die", alone=True)
        watched.order("third", seconds=0.1)
        await watched.until(lambda: watched.ended().get("third") == DONE)
        # Only the guilty one has died again, with nobody beside it.
        died = [event.job for event in watched.of(values.Died)]
        assert sorted(died[:2]) == ["guilty", "innocent"] and died[2:] == ["guilty"]
        assert watched.ended() == {"innocent": DONE, "third": DONE}

    scenario(tmp_path, steps)


def test_a_process_that_says_nothing_more_is_killed(tmp_path, monkeypatch):
    monkeypatch.setattr(supervisor, "_DEAF", 1.5)

    async def steps(watched):
        watched.order("a", task="mute", seconds=30)
        await watched.until(lambda: watched.of(values.Died))
        assert not watched.engine.status.ready
        await watched.until(lambda: len(watched.of(values.Ready)) == 2)

    scenario(tmp_path, steps, heartbeat_s=0.4)


def test_a_process_is_not_blamed_for_a_server_that_stood_still(tmp_path, monkeypatch):
    monkeypatch.setattr(supervisor, "_DEAF", 2)

    async def steps(watched):
        before = watched.engine.pid
        time.sleep(1.5)  # nobody listens, for twice as long as it may be silent
        watched.order("a", seconds=0.1)
        await watched.until(lambda: watched.ended() == {"a": DONE})
        assert watched.engine.pid == before and not watched.of(values.Died)

    scenario(tmp_path, steps, heartbeat_s=0.4)


def test_one_that_cannot_start_is_tried_less_and_less_often(tmp_path, monkeypatch):
    monkeypatch.setattr(supervisor, "_WORKER", "no.such.module")
    monkeypatch.setattr(supervisor, "_FIRST_S", 0.2)

    async def main():
        watched = Watched(tmp_path)
        await watched.engine.start()
        begun = time.monotonic()
        while watched.engine.status.restarts < 3:
            await asyncio.sleep(0.02)
        assert not watched.engine.status.ready and watched.told == []
        assert time.monotonic() - begun > 0.4 + 0.8
        await watched.engine.stop(0)

    asyncio.run(main())


@pytest.mark.parametrize("drain, ends", [(10, True), (0.05, False)])
def test_stopping_lets_what_runs_end_in_its_time(tmp_path, drain, ends):
    async def steps(watched):
        watched.order("runs", seconds=0.5)
        watched.order("waits", seconds=0.5)
        await watched.until(lambda: watched.of(values.Started))
        await watched.engine.stop(drain)
        assert watched.ended() == ({"runs": DONE} if ends else {})
        assert not watched.of(values.Died)
        assert not watched.engine.status.alive and watched.engine.pid is None

    scenario(tmp_path, steps, slots=1)


def test_a_listener_that_fails_stops_nothing(tmp_path):
    complaints = []

    async def steps(watched):
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda loop, said: complaints.append(said))
        take = watched.take

        def failing(event):
            take(event)
            if isinstance(event, values.Started):
                raise KeyError("mine")

        watched.engine._told = failing
        watched.order("a")
        await watched.until(lambda: watched.ended() == {"a": DONE})

    scenario(tmp_path, steps)
    assert "Started" in complaints[0]["message"]


def test_the_process_ends_with_its_server(tmp_path):
    code = (
        "import asyncio, os, pathlib, sys\n"
        "from jaxrestore.serving import settings\n"
        "from jaxrestore.serving.engine import supervisor\n"
        "async def main():\n"
        "    chosen = settings.Settings(folder=pathlib.Path(sys.argv[1]))\n"
        "    engine = supervisor.Engine(chosen, lambda event: None)\n"
        "    supervisor._WORKER = 'tests.serving.engine.fake_worker'\n"
        "    await engine.start()\n"
        "    while not engine.status.ready: await asyncio.sleep(0.01)\n"
        "    assert 'jax' not in sys.modules and 'numpy' not in sys.modules\n"
        "    print(engine.pid, flush=True)\n"
        "    os.kill(os.getpid(), 9)\n"
        "asyncio.run(main())\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    pid = int(subprocess.run(command, stdout=subprocess.PIPE, timeout=60).stdout)
    until = time.monotonic() + 10
    while Path(f"/proc/{pid}/stat").exists() and time.monotonic() < until:
        if Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z":
            break  # ended, and nobody has asked how
        time.sleep(0.02)
    else:
        assert time.monotonic() < until
