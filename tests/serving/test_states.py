"""Whatever happens in whatever order: jobs go only where they may, and none is lost."""

import asyncio
import collections
import itertools
import tempfile
from pathlib import Path

import hypothesis
import numpy as np
import pytest
from hypothesis import stateful
from hypothesis import strategies as st
from serving import fake_engine

from jaxrestore.serving import recovery, values
from jaxrestore.serving.jobs import Jobs
from jaxrestore.serving.register import Register
from jaxrestore.serving.settings import Settings
from jaxrestore.serving.spool import Spool, new_id
from jaxrestore.serving.values import FINAL, NEXT, Image, Job, Status

SLOTS = 2


class HandEngine:
    """An engine in which only happens what a test says."""

    def __init__(self, devices):
        self.ready, self.devices = True, devices
        self.running: dict[str, values.Order] = {}
        self.cancelled: set[str] = set()
        self.begun: list[str] = []

    @property
    def status(self):
        each = values.EngineStatus(self.ready, True, slots=SLOTS)
        devices = {f"{number}": each for number in range(self.devices)}
        slots = SLOTS * self.devices
        return values.EngineStatus(self.ready, True, slots=slots, devices=devices)

    async def start(self):
        pass

    async def stop(self, drain_s):
        self.running.clear()

    def submit(self, order):
        assert order.job not in self.running
        self.running[order.job] = order
        self.begun.append(order.job)

    def cancel(self, job):
        self.cancelled |= {job} & set(self.running)

    def finish(self, job):
        pass


class Pictures:
    """Images of which only the facts count."""

    def __init__(self):
        self.all = {}

    def facts(self, image):
        return {"width": 8, "height": 8, "sha256": image.id}


class Batches:
    def __init__(self):
        self.all = {}


class Machine(stateful.RuleBasedStateMachine):
    jobs_known = stateful.Bundle("jobs_known")
    devices = 1

    def __init__(self):
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.TemporaryDirectory()
        self.spool = Spool(Path(self.folder.name) / "spool")
        self.settings = Settings(Path(self.folder.name), slots=SLOTS, kept_s=100)
        self.ledger = fake_engine.MemoryLedger()
        self.now, self.ended = 0.0, {}
        self.deaths = collections.Counter()
        self.closed = False
        self.open()

    def open(self):
        self.spool.open()
        self.jobs = Jobs(
            self.settings,
            self.spool,
            self.ledger,
            watch=lambda job: None,
            clock=lambda: self.now,
        )
        self.engine = self.jobs.engine = HandEngine(self.devices)
        self.closed = False

    def do(self, function, *arguments):
        async def within():
            found = function(*arguments)
            if asyncio.iscoroutine(found):
                found = await found
            return found

        found = self.loop.run_until_complete(within())
        self.loop.run_until_complete(self.settle())
        return found

    async def settle(self):
        """Returns when nothing happens any more by itself."""
        if self.closed:
            return
        for _ in range(4):
            for _ in range(5):
                await asyncio.sleep(0)
            await self.jobs.register.clerk.call(int)  # behind all that is written

    @stateful.rule(target=jobs_known, owner=st.sampled_from("abc"))
    def add(self, owner):
        image = Image(new_id(), owner, 8, 8, 3, 8, False, "PNG", 1, "", "", 0.0, 1e9)
        self.spool.make(Image, image.id)
        self.spool.keep(image)
        np.save(self.spool.values(image.id), np.zeros((8, 8, 3), np.uint8))
        job = Job(new_id(), owner, image.id, "t", "network", self.now, self.now + 100)
        facts = {"width": 8, "height": 8, "sha256": image.id}
        self.do(self.jobs.add, job, facts)
        return job.id

    @stateful.rule(job=jobs_known)
    def cancel(self, job):
        self.do(self.jobs.cancel, job)

    @stateful.rule(job=jobs_known)
    def delete(self, job):
        if self.jobs.register.now(job) is not None:
            self.do(self.jobs.delete, job)

    @stateful.rule(good=st.booleans())
    def end(self, good):
        for id in [*self.engine.running][:1]:
            order = self.engine.running.pop(id)
            status = Status.DONE if good else Status.FAILED
            if id in self.engine.cancelled:
                status = Status.CANCELLED
            elif good and order.destination.parent.is_dir():
                np.save(order.destination, np.zeros((8, 8, 3), np.uint8))
            self.do(self.jobs.told, values.Ended(id, status))

    @stateful.rule(share=st.floats(0, 1))
    def progress(self, share):
        for id in self.engine.running:
            self.do(self.jobs.told, values.Progressed(id, share))

    @stateful.rule()
    def die(self):
        lost = [*self.engine.running]
        self.deaths.update({*lost} - self.engine.cancelled)
        self.engine.running.clear()
        self.engine.ready = False
        for id in lost:
            self.do(self.jobs.told, values.Died(id))
        self.engine.ready = True
        self.do(self.jobs.told, values.Ready((), "", 0.0))

    @stateful.rule(seconds=st.sampled_from([1.0, 700.0]))
    def pass_time(self, seconds):
        self.now += seconds
        self.do(self.jobs.sweep)

    @stateful.rule(clean=st.booleans())
    def restart(self, clean):
        self.closed = True
        if clean:
            self.do(self.jobs.stop, 0.0)
        else:
            self.deaths.update({*self.engine.running} - self.engine.cancelled)
            self.do(self.jobs.register.clerk.close)
        self.spool.close()
        self.open()
        parts = (self.spool, self.ledger, self.jobs, Pictures(), Batches())
        self.do(recovery.take_up, *parts)
        self.do(self.jobs.told, values.Ready((), "", 0.0))

    @stateful.invariant()
    def histories_go_only_where_they_may(self):
        for id, history in self.ledger.history.items():
            for one, other in itertools.pairwise(history):
                assert other in NEXT[one], (id, history)

    @stateful.invariant()
    def what_has_ended_stays_as_it_is(self):
        for id, job in self.ledger.jobs.items():
            if job.status in FINAL:
                assert self.ended.setdefault(id, job) == job

    @stateful.invariant()
    def the_register_says_what_is_written(self):
        for job in self.jobs.register:
            assert self.ledger.jobs[job.id].status == job.status
        waiting = {j.id for j in self.jobs.register if j.status is Status.QUEUED}
        running = {j.id for j in self.jobs.register if j.status is Status.RUNNING}
        assert len(waiting) == len(self.jobs.queue)
        assert running == {*self.engine.running} - self.engine.cancelled

    @stateful.invariant()
    def slots_are_used_and_not_passed(self):
        most, running = SLOTS * self.devices, self.engine.running.values()
        assert sum(SLOTS if order.alone else 1 for order in running) <= most
        open_ones = {job.id for job in self.jobs.register if not job.final}
        open_ones |= {*self.engine.running}  # also what is cancelled, or deleted
        alone = any(self.ledger.jobs[id].tries for id in open_ones)
        if len(self.jobs.queue) and not alone:
            assert len(running) == most

    @stateful.invariant()
    def two_deaths_under_a_job_end_it_and_no_orderly_end_counts(self):
        for id, job in self.ledger.jobs.items():
            assert job.tries == self.deaths[id] <= 2
            assert self.deaths[id] < 2 or job.final

    @stateful.invariant()
    def no_job_is_lost(self):
        kept = {job.id for job in self.jobs.register}
        for id, job in self.ledger.jobs.items():
            assert id in kept or job.final, job

    def teardown(self):
        self.closed = True
        self.do(self.jobs.stop, 0.0)
        self.spool.close()
        self.loop.close()
        self.folder.cleanup()


class Machines(Machine):
    devices = 2


TestMachine, TestMachines = Machine.TestCase, Machines.TestCase
TestMachine.settings = TestMachines.settings = hypothesis.settings(
    max_examples=12,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)


def test_the_way_of_a_job_ends_where_nothing_follows():
    assert {Status.QUEUED, Status.RUNNING} == {*Status} - FINAL
    reached, ahead = set(), [Status.QUEUED]
    while ahead:
        here = ahead.pop()
        reached.add(here)
        ahead += NEXT[here] - reached
    assert reached == {*Status}


@pytest.mark.parametrize("status", sorted(FINAL))
def test_a_job_that_has_ended_cannot_go_on(tmp_path, status):
    job = Job(new_id(), "o", new_id(), "t", "network", 0.0, 1.0, status=status)
    register = Register(Spool(tmp_path), fake_engine.MemoryLedger())
    register.keep(job)
    for other in Status:
        with pytest.raises(RuntimeError, match=f"from {status}"):
            register.move(job, {"status": other})
    assert register.now(job.id) == job
