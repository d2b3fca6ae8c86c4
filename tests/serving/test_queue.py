"""Turns, limits and times, by a clock that stands still."""

import collections
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxrestore.serving.lines import Waiting
from jaxrestore.serving.queue import Queue
from jaxrestore.serving.settings import Settings

KIND = ("denoise", "network")
PIXELS = 2**20


def queue(**limits):
    return Queue(Settings(Path("unused"), **{"slots": 1, **limits}))


def job(name, owner="o", kind=KIND, pixels=PIXELS, since=0.0, **more):
    return Waiting(name, owner, kind, pixels, since, **more)


def served(line, now=0.0):
    """The jobs in the order in which they are taken, one at a time."""
    order = []
    while (found := line.take(now)) is not None:
        order.append(found)
        line.ended(found, now, whole=False)
    return order


def learnt(line, seconds, pixels=PIXELS, kind=KIND, now=0.0):
    """Lets a job take so many seconds; returns the time then."""
    line.add(job("first", "somebody", kind, pixels))
    assert line.take(now) == "first"
    line.ended("first", now + seconds, whole=True)
    return now + seconds


def test_owners_take_turns():
    line = queue()
    for name in ("a1", "a2", "a3", "b1", "c1", "b2"):
        line.add(job(name, owner=name[0]))
    assert served(line) == ["a1", "b1", "c1", "a2", "b2", "a3"]


def test_a_newcomer_is_served_before_those_who_were_just_served():
    line = queue()
    for n in range(4):
        line.add(job(f"a{n}", owner="a"))
    assert line.take(0.0) == "a0"
    line.add(job("b0", owner="b"))
    line.ended("a0", 0.0, whole=False)
    assert line.take(0.0) == "b0"


def test_who_was_served_is_remembered_though_nothing_waits():
    line = queue()
    line.add(job("a0", owner="a"))
    line.add(job("b0", owner="b"))
    assert served(line) == ["a0", "b0"]
    line.add(job("b1", owner="b"))
    line.add(job("a1", owner="a"))
    assert served(line) == ["a1", "b1"]


@given(st.lists(st.sampled_from("abcd"), max_size=40), st.integers(1, 4))
def test_nobody_is_served_twice_while_another_waits(owners, slots):
    line = queue(slots=slots)
    for n, owner in enumerate(owners):
        line.add(job(f"{owner}{n}", owner=owner))
    positions = [line.forecast(f"{o}{n}", 0.0).position for n, o in enumerate(owners)]
    order = served(line)
    assert [positions[int(name[1:])] for name in order] == [*range(1, len(order) + 1)]
    left = collections.Counter(owners)
    round_of = collections.Counter()
    for name in order:
        round_of[name[0]] += 1
        left[name[0]] -= 1
        behind = [round_of[owner] for owner in left if left[owner] > 0]
        assert all(round_of[name[0]] - done <= 1 for done in behind)
    assert collections.Counter(name[0] for name in order) == collections.Counter(owners)


def test_as_many_run_as_there_are_slots():
    line = queue(slots=3)
    for n in range(5):
        line.add(job(f"j{n}"))
    assert [line.take(0.0) for _ in range(5)] == ["j0", "j1", "j2", None, None]
    assert (len(line), line.running, line.pixels) == (2, 3, 2 * PIXELS)
    line.ended("j1", 1.0, whole=False)
    assert line.take(1.0) == "j3"


def test_long_ones_leave_slots_to_others():
    line = queue(slots=4)
    for n in range(3):
        line.add(job(f"long{n}", owner="a", long=True))
    line.add(job("short", owner="a"))
    assert [line.take(0.0) for _ in range(4)] == ["long0", "long1", "short", None]
    line.ended("long0", 1.0, whole=False)
    assert line.take(1.0) == "long2"


def test_one_that_died_runs_alone():
    line = queue(slots=4)
    line.add(job("running", owner="a"))
    assert line.take(0.0) == "running"
    line.add(job("other", owner="b"))
    line.add(job("died", owner="b", alone=True), first=True)
    assert line.take(0.0) is None
    line.ended("running", 1.0, whole=False)
    assert line.take(1.0) == "died"
    assert line.take(1.0) is None
    line.ended("died", 2.0, whole=False)
    assert line.take(2.0) == "other"


def test_one_that_died_has_a_device_of_several_for_itself():
    line = queue(slots=2)
    line.share(("0", "1", "2"), 0.0)
    for n in range(6):
        line.add(job(f"j{n}"))
    assert [line.take(0.0) for _ in range(7)] == [*(f"j{n}" for n in range(6)), None]
    line.add(job("died", alone=True), first=True)
    line.add(job("other"))
    line.ended("j0", 1.0, whole=False)
    assert line.take(1.0) is None  # two others of the six give way to it
    line.ended("j1", 1.0, whole=False)
    assert line.take(1.0) == "died"
    assert line.take(1.0) is None
    line.ended("j2", 1.0, whole=False)
    assert line.take(1.0) == "other"


def test_there_are_as_many_slots_as_devices_have():
    line = queue(slots=2)
    for n in range(8):
        line.add(job(f"j{n}", long=n < 4))
    line.share(("0", "1"), 0.0)
    taken = [line.take(0.0) for _ in range(5)]
    assert taken == ["j0", "j1", "j4", "j5", None]  # half are for what takes long
    line.share(("1",), 0.0)  # one is lost, with what ran there
    for name in ("j0", "j4"):
        line.ended(name, 1.0, whole=False)
    assert line.take(1.0) is None
    line.share(("0", "1"), 2.0)
    assert (line.take(2.0), line.take(2.0)) == ("j2", "j6")


def test_nothing_is_told_before_anything_is_known():
    line = queue()
    line.add(job("a"))
    line.add(job("b"))
    assert line.forecast("b", 0.0) == (2, None)
    assert line.take(0.0) == "a"
    assert line.forecast("a", 5.0) == (None, None)
    assert line.forecast("b", 5.0) == (1, None)
    assert line.forecast("nobody", 5.0) == (None, None)


def test_time_left_is_learnt_by_pixels():
    line = queue()
    now = learnt(line, seconds=10.0)
    line.add(job("same"))
    line.add(job("half", pixels=PIXELS // 2))
    line.add(job("other", kind=("sr", "network")))
    assert line.forecast("same", now) == (1, pytest.approx(now + 10))
    assert line.forecast("half", now) == (2, pytest.approx(now + 15))
    assert line.forecast("other", now) == (3, None)
    assert line.take(now) == "same"
    assert line.forecast("same", now + 4) == (None, pytest.approx(now + 10))
    assert line.forecast("half", now + 4) == (1, pytest.approx(now + 15))


def test_a_job_tells_best_itself_how_long_it_takes():
    line = queue()
    now = learnt(line, seconds=10.0)
    line.add(job("slow"))
    line.add(job("next"))
    line.take(now)
    line.progressed("slow", 0.25)
    assert line.forecast("slow", now + 10).ends == pytest.approx(now + 40)
    assert line.forecast("next", now + 10).ends == pytest.approx(now + 50)


def test_those_that_run_share_the_device():
    line = queue(slots=2)
    now = learnt(line, seconds=10.0)
    line.add(job("a"))
    line.add(job("b"))
    line.add(job("c"))
    assert line.forecast("c", now).ends == pytest.approx(now + 30)
    assert (line.take(now), line.take(now)) == ("a", "b")
    # Each takes twice as long as alone, and what is learnt of them is the same.
    assert line.forecast("a", now).ends == pytest.approx(now + 20)
    line.ended("a", now + 20, whole=True)
    line.ended("b", now + 20, whole=True)
    assert line.forecast("c", now + 20).ends == pytest.approx(now + 30)


def test_on_several_devices_as_many_run_as_if_they_were_alone():
    line = queue(slots=2)
    now = learnt(line, seconds=10.0)
    line.share(("0", "1"), now)
    for name in "abc":
        line.add(job(name))
    assert [line.forecast(name, now).ends for name in "abc"] == pytest.approx(
        [now + 20, now + 10, now + 20]  # the third one beside the first
    )
    assert [line.take(now) for _ in range(3)] == [*"abc"]
    line.add(job("d"))
    assert line.forecast("d", now).ends == pytest.approx(now + 20)
    line.ended("b", now + 10, whole=True)
    line.add(job("e", pixels=2 * PIXELS))
    assert (line.take(now + 10), line.take(now + 10)) == ("d", "e")
    assert line.forecast("d", now + 10).ends == pytest.approx(now + 30)
    assert line.forecast("e", now + 10).ends == pytest.approx(now + 40)
    for name in "ac":
        line.ended(name, now + 20, whole=True)
    # What is learnt of them is the time of one that has a device for itself.
    line.add(job("f"))
    assert line.forecast("f", now + 20).ends == pytest.approx(now + 30)


def test_a_device_that_is_lost_is_not_counted_on():
    line = queue(slots=2)
    now = learnt(line, seconds=10.0)
    line.share(("0", "1"), now)
    for name in "abc":
        line.add(job(name))
    assert (line.take(now), line.take(now)) == ("a", "b")
    line.ended("a", now + 5, whole=False)
    line.share(("1",), now + 5)
    assert line.forecast("b", now + 5).ends == pytest.approx(now + 15)
    assert line.forecast("c", now + 5).ends == pytest.approx(now + 20)


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 8)), min_size=1),
    st.integers(1, 3),
    st.integers(1, 3),
)
@settings(deadline=None)
def test_what_is_forecast_comes_true(jobs, slots, count):
    """Of devices that are shared as it is assumed to be, with what is known of them."""
    line = queue(slots=slots)
    now = learnt(line, seconds=1.0)
    devices: list[dict[str, float]] = [{} for _ in range(count)]  # what jobs have left
    line.share(tuple(map(str, range(count))), now)
    sizes = [size * PIXELS + 7919 * n * n for n, (_, size) in enumerate(jobs)]
    for n, (owner, _) in enumerate(jobs):  # of which no two end at once
        line.add(job(f"{n}", owner=owner, pixels=sizes[n]))
    told = {f"{n}": line.forecast(f"{n}", now).ends for n in range(len(jobs))}
    while any(devices) or len(line):
        while (name := line.take(now)) is not None:
            min(devices, key=len)[name] = sizes[int(name)] / PIXELS
        passed = min(min(left.values()) * len(left) for left in devices if left)
        now += passed
        for left in devices:
            for name in [*left]:
                left[name] -= passed / len(left)
            for name in [name for name, seconds in left.items() if seconds < 1e-9]:
                assert now == pytest.approx(told[name])
                line.ended(name, now, whole=True)
                del left[name]
    assert line.forecast("another", now) == (None, None)
    line.add(job("another"))  # and nothing wrong was learnt on the way
    assert line.forecast("another", now).ends == pytest.approx(now + 1)


def test_an_owner_has_so_many_jobs_and_is_told_when_to_come_back():
    line = queue(owner_jobs=2)
    now = learnt(line, seconds=10.0)
    line.add(job("a"))
    assert line.refusal("o", KIND, PIXELS, now) is None
    line.add(job("b"))
    refused = line.refusal("o", KIND, PIXELS, now)
    assert (refused.status, refused.code, refused.limit) == (429, "own_jobs", 2)
    assert refused.retry_after == 10
    assert line.refusal("another", KIND, PIXELS, now) is None
    line.take(now)
    assert line.refusal("o", KIND, PIXELS, now).retry_after == 10
    line.ended("a", now, whole=False)
    assert line.refusal("o", KIND, PIXELS, now) is None


def test_an_owner_has_so_many_pixels_but_one_picture_always():
    line = queue(owner_pixels=3 * PIXELS)
    assert line.refusal("o", KIND, 5 * PIXELS, 0.0) is None
    line.add(job("a", pixels=2 * PIXELS))
    assert line.refusal("o", KIND, PIXELS, 0.0) is None
    refused = line.refusal("o", KIND, 2 * PIXELS, 0.0)
    assert (refused.status, refused.code) == (429, "own_pixels")


def test_the_queue_is_full_for_all():
    line = queue(max_jobs=2)
    line.add(job("a", owner="a"))
    line.add(job("b", owner="b"))
    refused = line.refusal("c", KIND, PIXELS, 0.0)
    assert (refused.status, refused.code, refused.limit) == (503, "queue_full", 2)
    assert refused.retry_after > 0


def test_the_queue_is_full_by_the_time_it_takes():
    line = queue(max_queue_s=25)
    now = learnt(line, seconds=10.0)
    assert line.refusal("a", KIND, 10 * PIXELS, now) is None
    line.add(job("a", owner="a"))
    assert line.refusal("b", KIND, PIXELS, now) is None
    line.add(job("b", owner="b"))
    assert line.refusal("c", KIND, PIXELS, now).code == "queue_full"


def test_several_devices_have_as_much_work_in_less_time():
    line = queue(max_queue_s=25)
    now = learnt(line, seconds=10.0)
    line.share(("0", "1"), now)
    for name in "abcd":
        assert line.refusal(name, KIND, PIXELS, now) is None
        line.add(job(name, owner=name))
    refused = line.refusal("e", KIND, PIXELS * 2, now)
    assert refused.code == "queue_full" and "20 s" in refused.detail


def test_a_batch_does_not_fill_the_queue_for_others():
    line = queue(max_jobs=3, owner_jobs=2, max_queue_s=1)
    learnt(line, seconds=10.0)
    for n in range(20):
        line.add(job(f"b{n}", owner="o", batch=True))
    assert line.refusal("o", KIND, PIXELS, 10.0) is None
    assert line.waited(1e9) == []


def test_who_waits_too_long_is_told():
    line = queue(max_queued_s=60)
    line.add(job("old", since=0.0))
    line.add(job("new", since=50.0))
    assert line.waited(59.0) == []
    assert line.waited(100.0) == ["old"]
    assert line.remove("old") and not line.remove("old")
    assert line.waited(100.0) == [] and len(line) == 1


def test_a_full_queue_is_refused_quickly():
    line = queue(max_jobs=64, slots=4)
    learnt(line, seconds=10.0)
    for n in range(64):
        line.add(job(f"{n}", owner=f"{n % 20}"))
    for n in range(800):
        line.add(job(f"b{n}", owner=f"batch{n % 4}", batch=True))
    began = time.process_time()
    assert line.refusal("new", KIND, PIXELS, 10.0).status == 503
    assert time.process_time() - began < 0.5
