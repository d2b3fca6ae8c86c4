"""Pictures that ended the engine twice are not taken for a day, restarts or not."""

import functools

import numpy as np
import pytest
from serving import fake_engine
from serving.pictures_of import array, chunks, run, running

from jaxrestore import images
from jaxrestore.serving import keys
from jaxrestore.serving.quarantine import KEPT_S, Quarantine
from jaxrestore.serving.refusals import Refusal
from jaxrestore.serving.values import Status

SHA = "5e" * 32


class Clock:
    now = 1_000_000.0

    def __call__(self):
        return self.now


def holds(folder, clock, sha256=SHA):
    """Whether a server that starts now takes a file no more."""
    try:
        Quarantine(folder, clock).check(sha256)
    except Refusal as refusal:
        assert (refusal.status, refusal.code) == (422, "quarantined")
        return True
    return False


def test_what_is_in_it_stays_there_for_a_day(tmp_path):
    clock = Clock()
    first = Quarantine(tmp_path, clock)
    first.add(SHA)
    first.write()
    clock.now += KEPT_S - 1
    assert holds(tmp_path, clock) and not holds(tmp_path, clock, "0" * 64)
    clock.now += 1
    assert not holds(tmp_path, clock)
    later = Quarantine(tmp_path, clock)
    later.add("0" * 64)
    later.write()
    assert (tmp_path / "quarantine.json").read_text().count(":") == 1


def test_what_is_written_says_nothing_without_the_key(tmp_path):
    held = Quarantine(tmp_path, Clock())
    held.add(SHA)
    held.write()
    assert SHA not in (tmp_path / "quarantine.json").read_text()
    assert len(keys.of(tmp_path)) == 32
    (tmp_path / "session.key").unlink()
    assert not holds(tmp_path, Clock())


@pytest.mark.parametrize("content", ["", "[1]", '{"a": null}', "{", '{"a": "b"}'])
def test_a_file_of_no_use_stops_nothing(tmp_path, content):
    (tmp_path / "quarantine.json").write_text(content)
    assert not holds(tmp_path, Clock())


def test_a_picture_that_is_here_already_is_not_worked_on_again(tmp_path):
    poison = np.zeros_like(array())
    engine = functools.partial(fake_engine.FakeEngine, poison=0, delay=0.01)

    async def first():
        async with running(tmp_path, engine=engine, slots=1) as service:
            content = images.encoded(poison, ".png")
            image = await service.add_image("me", chunks(content))
            jobs = [await service.add_job("me", image.id, "denoise") for _ in range(3)]
            ended = [await service.wait(job.id, 10) for job in jobs]
            assert {job.status for job in ended} == {Status.FAILED}
            codes = ["engine_restarted", "quarantined", "quarantined"]
            assert [job.code for job in ended] == codes
            assert service.engine.restarts == 2
            with pytest.raises(Refusal, match="not taken again"):
                await service.add_job("me", image.id, "denoise")
            with pytest.raises(Refusal, match="not taken again"):
                await service.add_batch("me", [image.id], "denoise")

    async def second():
        async with running(tmp_path, engine=engine) as service:
            with pytest.raises(Refusal, match="not taken again"):
                await service.add_image("you", chunks(images.encoded(poison, ".png")))

    run(first())
    run(second())
