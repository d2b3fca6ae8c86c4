import types

import pytest

from jaxrestore.training import clock


@pytest.fixture
def hand(monkeypatch):
    """A clock's hand: `hand.at` is the time in seconds."""
    hand = types.SimpleNamespace(at=100.0)
    monkeypatch.setattr(clock.time, "perf_counter", lambda: hand.at)
    return hand


def test_what_no_part_took_is_the_device_s(hand):
    timer = clock.Clock()
    hand.at += 3
    with timer.measure("data"):
        hand.at += 1
    with timer.measure("data"):
        hand.at += 0.5
    with timer.measure("evaluation"):
        hand.at += 2
    found = timer.interval()
    assert found == {"device": 3, "data": 1.5, "evaluation": 2, "checkpoint": 0}
    hand.at += 1
    assert timer.interval() == dict.fromkeys(found, 0) | {"device": 1}


def test_shares_are_of_all_intervals_and_sum_to_one(hand):
    timer = clock.Clock()
    hand.at += 3
    timer.interval()
    with timer.measure("checkpoint"):
        hand.at += 1
    found = timer.shares()
    assert found["device"] == (3, 0.75) and found["checkpoint"] == (1, 0.25)
    assert sum(share for _, share in found.values()) == 1


def test_the_total_goes_on_from_the_run_that_is_resumed(hand):
    timer = clock.Clock(spent=60.0)
    hand.at += 5
    assert timer.total == 65
    # Only what happens here has a part.
    assert sum(timer.interval().values()) == 5


def test_a_part_that_fails_is_counted_too(hand):
    timer = clock.Clock()
    with pytest.raises(OSError, match="full"), timer.measure("checkpoint"):
        hand.at += 2
        raise OSError("disk full")
    assert timer.interval()["checkpoint"] == 2


def test_a_part_nobody_knows_is_a_mistake():
    with pytest.raises(KeyError), clock.Clock().measure("coffee"):
        pass
