"""Children that read files of strangers: what ends them ends nothing else."""

import asyncio
import os
import signal
import sys
import time
import warnings

import numpy as np
import pytest
from serving.pictures_of import run

from jaxrestore import errors
from jaxrestore.serving.children import Children
from jaxrestore.serving.refusals import Refusal

MEMORY = 768 * 2**20


def doubled(value):
    return 2 * value


def content(count):
    return bytes(range(256)) * count


def sleeps(seconds):
    time.sleep(seconds)


def spins():
    while True:
        pass


def dies(number):
    os.kill(os.getpid(), number)


def takes(count):
    return int(np.ones(count, np.uint8).sum())


def refuses():
    raise Refusal(413, "large", "Too large", "It is too large.", 7, 8.5)


def errs():
    raise errors.ImageError("the picture is broken")


def fills():
    raise errors.DiskError("the disk is full")


def tricks(path):
    """Sends what would run a command if it were unpickled."""
    import gc
    import pickle
    from multiprocessing import connection

    class Trick:
        def __reduce__(self):
            return os.mkdir, (path,)

    ours = [o for o in gc.get_objects() if isinstance(o, connection.Connection)]
    for pipe in ours:
        pipe.send_bytes(pickle.dumps(Trick()))
    time.sleep(60)


def fails():
    raise KeyError("a bug")


def notices():
    warnings.warn("something to know", errors.Notice, stacklevel=1)
    return 1


def process():
    return os.getpid()


def nice():
    return os.nice(0)


@pytest.fixture(scope="module")
def asked():
    """`asked(function, *arguments)`: what one pair of children answers."""
    took = []
    children = Children(2, MEMORY, watch=took.append)

    def ask(function, *arguments, seconds=10.0):
        return run(children.call(function, *arguments, seconds=seconds))

    ask.took = took
    yield ask
    run(children.close())


def test_a_child_answers_and_is_used_again(asked):
    assert asked(doubled, 21).value == 42
    found = {asked(process).value for _ in range(6)}
    assert os.getpid() not in found and len(found) <= 2


def test_bytes_come_back_as_they_are(asked):
    for count in (0, 1, 2**13):
        assert asked(content, count).value == content(count)
    assert asked(doubled, 21).value == 42


def test_what_a_call_took_is_told_by_the_name_of_its_function(asked):
    asked.took.clear()
    asked(sleeps, 0.05)
    with pytest.raises(Refusal):
        asked(refuses)
    (took,) = asked.took
    assert took.what == "sleeps" and took.seconds >= 0.05


def test_what_a_child_raises_comes_back(asked):
    with pytest.raises(Refusal, match="It is too large") as refused:
        asked(refuses)
    told = refused.value
    assert (told.status, told.code, told.title) == (413, "large", "Too large")
    assert (told.limit, told.retry_after) == (7, 8.5)
    with pytest.raises(Refusal, match="the picture is broken") as refused:
        asked(errs)
    assert refused.value.status == 422
    with pytest.raises(Refusal, match="cannot write to its disk") as refused:
        asked(fills)
    assert refused.value.status == 507


def test_a_bug_in_a_child_comes_back_with_its_place(asked):
    with pytest.raises(RuntimeError, match=r"in fails(.|\n)*a bug"):
        asked(fails)
    assert asked(doubled, 1).value == 2


def test_a_child_that_was_taken_over_makes_us_run_nothing(asked, tmp_path):
    with pytest.raises(Refusal, match="ended the process"):
        asked(tricks, str(tmp_path / "made"))
    assert not (tmp_path / "made").exists()
    assert asked(doubled, 1).value == 2


def test_notices_come_back(asked):
    assert asked(notices).notices == ("something to know",)


@pytest.mark.parametrize("work", [(sleeps, 60.0), (spins,)], ids=["sleeps", "spins"])
def test_what_takes_too_long_is_killed(asked, work):
    began = time.monotonic()
    with pytest.raises(Refusal, match=r"within 0\.5 s") as refused:
        asked(*work, seconds=0.5)
    assert refused.value.status == 422
    assert time.monotonic() - began < 30
    assert asked(doubled, 1).value == 2


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_child_that_crashes_fails_its_call_alone(asked, number):
    with pytest.raises(Refusal, match="ended the process") as refused:
        asked(dies, number)
    assert (refused.value.status, refused.value.code) == (422, "unreadable")
    assert asked(doubled, 1).value == 2


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_AS is Linux's")
def test_a_child_has_so_much_memory_and_no_more(asked):
    assert asked(takes, 2**20).value == 2**20
    with pytest.raises(Refusal, match="more memory") as refused:
        asked(takes, MEMORY)
    assert refused.value.status == 413
    assert asked(takes, 2**20).value == 2**20


def test_children_give_way_to_the_server(asked):
    assert asked(nice).value == min(os.nice(0) + 5, 19)


def test_calls_wait_for_a_child_and_some_do_not():
    async def crowd():
        children = Children(1, MEMORY, waiting=2)
        try:
            await children.warm()
            calls = [children.call(sleeps, 0.2, seconds=10) for _ in range(3)]
            waiting = [asyncio.ensure_future(call) for call in calls]
            await asyncio.sleep(0)
            assert children.calls == 3
            began = time.process_time()
            with pytest.raises(Refusal) as refused:
                await children.call(doubled, 1, seconds=10)
            assert time.process_time() - began < 0.05
            assert (refused.value.status, refused.value.retry_after) == (503, 5)
            await asyncio.gather(*waiting)
            assert (await children.call(doubled, 1, seconds=10)).value == 2
        finally:
            await children.close()

    run(crowd())


def test_children_end_with_their_server():
    async def numbers():
        children = Children(2, MEMORY)
        calls = (children.call(process, seconds=10) for _ in range(2))
        found = {(await call).value for call in calls}
        await children.close()
        return found

    for number in run(numbers()):
        with pytest.raises(ProcessLookupError):
            os.kill(number, 0)
