"""Several engines as one, each a process without jax."""

import asyncio
import os
import signal

import pytest
from serving.engine.watched import Watched, scenario

from jaxrestore.serving import contracts, values
from jaxrestore.serving.engine import supervisor

DONE, CANCELLED = values.Status.DONE, values.Status.CANCELLED
BOTH = ("0", "1")


@pytest.fixture(autouse=True)
def fake(monkeypatch):
    monkeypatch.setattr(supervisor, "_WORKER", "tests.serving.engine.fake_worker")
    monkeypatch.setattr(supervisor, "_FIRST_S", 0.01)
    for name in ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)


async def warm(watched, names=BOTH):
    await watched.until(lambda: watched.engine.status.sharing == names)


def ran_on(watched):
    """The device of each job that ended."""
    return {event.job: event.numbers["device"] for event in watched.of(values.Ended)}


def counts(watched):
    return [one.running for one in watched.engine.status.devices.values()]


def test_each_process_sees_one_device_and_the_status_is_of_all(tmp_path):
    async def steps(watched):
        assert isinstance(watched.engine, contracts.Engine)
        await warm(watched)
        await watched.until(lambda: watched.engine.status.memory == 2000)
        status = watched.engine.status
        assert (status.ready, status.alive, status.restarts) == (True, True, 0)
        assert (status.slots, status.running) == (6, 0)
        assert status.device == "fake 0, fake 1"
        each = status.devices
        assert {name: one.device for name, one in each.items()} == {
            "0": "fake 0",
            "1": "fake 1",
        }
        worst = max(one.heartbeat_age_s for one in each.values())
        assert 0 <= status.heartbeat_age_s <= worst

    scenario(tmp_path, steps, devices=BOTH, slots=3)


def test_it_is_ready_with_the_first_and_goes_on_without_the_others(tmp_path):
    async def steps(watched):
        for job in "abc":
            watched.order(job, seconds=0.05)
        await watched.until(lambda: watched.ended() == dict.fromkeys("abc", DONE))
        assert set(ran_on(watched).values()) == {"fake 0"}
        await watched.until(lambda: watched.engine.status.restarts)
        status = watched.engine.status
        assert (status.ready, status.slots, status.sharing) == (True, 2, ("0",))
        assert [one.ready for one in status.devices.values()] == [False, True]

    scenario(tmp_path, steps, devices=("broken", "0"), slots=2)


def test_numbers_count_what_the_server_sees_and_what_is_not_there_is_not_used(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,7")

    async def steps(watched):
        names = lambda: [one.device for one in watched.engine.status.devices.values()]
        await watched.until(lambda: all(names()))
        assert names() == ["fake 7", "cpu", "fake GPU-0a"]
        assert [one.ready for one in watched.engine.status.devices.values()] == [
            True,
            False,
            True,
        ]
        for number in range(4):
            watched.order(f"{number}", seconds=0.1)
        await watched.until(lambda: len(watched.ended()) == 4)
        assert set(ran_on(watched).values()) == {"fake 7", "fake GPU-0a"}

    scenario(tmp_path, steps, devices=("1", "2", "GPU-0a"))


def test_an_environment_shows_one_device_to_cuda_and_to_rocm():
    known = supervisor._seeing("1", {})
    assert known["CUDA_VISIBLE_DEVICES"] == known["HIP_VISIBLE_DEVICES"] == "1"
    assert known["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"
    # Numbers that somebody gave are in the order in which they were meant.
    known = supervisor._seeing("1", {"HIP_VISIBLE_DEVICES": "3,4"})
    assert known["CUDA_VISIBLE_DEVICES"] == known["HIP_VISIBLE_DEVICES"] == "4"
    assert "CUDA_DEVICE_ORDER" not in known


def test_an_order_goes_to_the_engine_that_has_the_fewest(tmp_path):
    async def steps(watched):
        await warm(watched)
        for job in "abcd":
            watched.order(job, seconds=30)
        assert counts(watched) == [2, 2]
        await watched.until(lambda: len(watched.of(values.Started)) == 4)
        for job in "ac":
            watched.engine.cancel(job)
        await watched.until(lambda: watched.ended() == dict.fromkeys("ac", CANCELLED))
        assert sorted(counts(watched)) == [0, 2]
        watched.order("e")
        await watched.until(lambda: watched.ended().get("e") == DONE)
        ran = ran_on(watched)
        assert ran["a"] == ran["c"] == ran["e"]
        watched.engine.finish("b")
        watched.engine.finish("nobody's")
        await watched.until(lambda: watched.ended().get("b") == DONE)
        assert ran_on(watched)["b"] != ran["a"]

    scenario(tmp_path, steps, devices=BOTH)


def test_a_death_is_told_of_the_jobs_of_its_engine_alone(tmp_path):
    async def steps(watched):
        await warm(watched)
        for job in "abcd":
            watched.order(job, seconds=0.5)
        await watched.until(lambda: len(watched.of(values.Started)) == 4)
        os.kill(watched.engine.pids["1"], signal.SIGKILL)
        await watched.until(lambda: len(watched.ended()) == 2)
        died = {event.job for event in watched.of(values.Died)}
        assert len(died) == 2 and died | {*watched.ended()} == {*"abcd"}
        assert set(ran_on(watched).values()) == {"fake 0"}
        await warm(watched)
        status = watched.engine.status
        assert (status.restarts, status.running) == (1, 0)
        assert [one.restarts for one in status.devices.values()] == [0, 1]

    scenario(tmp_path, steps, devices=BOTH)


def test_one_that_is_to_be_alone_is_alone_on_its_engine(tmp_path):
    async def steps(watched):
        await warm(watched)
        watched.order("long", seconds=30)
        watched.order("short", seconds=0.2)
        watched.order("beside", seconds=30)
        watched.order("alone", seconds=0.3, alone=True)
        watched.order("next", seconds=30)  # not where the short one leaves soon
        assert counts(watched) == [3, 1]
        assert watched.engine.status.running == 5
        begun = lambda job: any(job == one.job for one in watched.of(values.Started))
        await watched.until(lambda: begun("alone"))
        assert watched.ended() == {"short": DONE}
        watched.order("last", seconds=30)
        assert counts(watched) == [4, 1]
        await watched.until(lambda: watched.ended().get("alone") == DONE)
        assert ran_on(watched)["alone"] == ran_on(watched)["short"]
        watched.order("after", seconds=30)
        assert counts(watched) == [4, 1]

    scenario(tmp_path, steps, devices=BOTH)


def test_what_waits_for_an_engine_can_be_cancelled(tmp_path):
    async def steps(watched):
        await warm(watched)
        for job in "ab":
            watched.order(job, seconds=30)
        watched.order("alone", alone=True)
        watched.engine.cancel("alone")
        await watched.until(lambda: watched.ended() == {"alone": CANCELLED})
        assert watched.engine.status.running == 2
        # Nothing is held for it any more.
        watched.order("c", seconds=30)
        watched.order("d", seconds=30)
        assert counts(watched) == [2, 2]

    scenario(tmp_path, steps, devices=BOTH)


@pytest.mark.parametrize("drain, ends", [(10, True), (0.05, False)])
def test_stopping_lets_what_runs_end_on_each_device(tmp_path, drain, ends):
    async def steps(watched):
        await warm(watched)
        for job in "ab":
            watched.order(job, seconds=0.5)
        watched.order("alone", alone=True)
        await watched.until(lambda: len(watched.of(values.Started)) == 2)
        await watched.engine.stop(drain)
        assert watched.ended() == (dict.fromkeys("ab", DONE) if ends else {})
        assert not watched.of(values.Died)
        assert set(watched.engine.pids.values()) == {None}
        assert not watched.engine.status.alive

    scenario(tmp_path, steps, devices=BOTH)


def test_orders_wait_until_an_engine_is_ready(tmp_path):
    async def main():
        watched = Watched(tmp_path, devices=BOTH)
        await watched.engine.start()
        watched.order("a")
        assert not watched.engine.status.ready
        assert watched.engine.status.running == 1
        await watched.until(lambda: watched.ended() == {"a": DONE})
        await watched.engine.stop(0)

    asyncio.run(main())
