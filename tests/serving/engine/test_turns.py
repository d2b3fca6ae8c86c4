import threading
import time

import numpy as np
import pytest

from jaxrestore.serving.engine import turns

NOTHING = lambda: None


def picture(value=0.0, side=4):
    return np.full((1, side, side, 3), value, np.float32)


class Crowd:
    """Threads that wait while the device is held, in the order in which they came."""

    def __init__(self, device):
        self.device, self.threads, self.order, self.made = device, [], [], {}

    def call(self, owner, name, function, images, check=NOTHING):
        def run():
            try:
                self.made[name] = self.device.apply(owner, function, images, check)
            except Exception as error:
                self.made[name] = error
            self.order.append(name)

        thread = threading.Thread(target=run)
        thread.start()
        self.threads.append(thread)
        self.arrived(len(self.threads))

    def arrived(self, count):
        until = time.monotonic() + 10
        while len(self.device._waiting) + len(self.order) < count:
            assert time.monotonic() < until
            time.sleep(0.001)

    def end(self):
        for thread in self.threads:
            thread.join(10)
            assert not thread.is_alive()


class Clock:
    """Seconds that pass while something is computed."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    def taking(self, seconds):
        def function(images):
            self.now += seconds
            return images

        return function


def test_a_small_picture_does_not_wait_for_a_large_one():
    clock = Clock()
    device = turns.Turns(clock=clock)
    crowd = Crowd(device)
    with device.turn("large", NOTHING):
        clock.now += 1
        for tile in range(4):
            crowd.call("large", f"large {tile}", clock.taking(1), picture())
        for tile in range(2):
            crowd.call("small", f"small {tile}", clock.taking(0.1), picture())
    crowd.end()
    # The large one has had a second; all that is small is done before its next one.
    assert crowd.order[:2] == ["small 0", "small 1"]


def test_owners_share_seconds_and_not_turns():
    clock = Clock()
    device = turns.Turns(clock=clock)
    crowd = Crowd(device)
    with device.turn("someone", NOTHING):
        for number in range(3):
            crowd.call("slow", f"slow {number}", clock.taking(3), picture())
        for number in range(6):
            crowd.call("quick", f"quick {number}", clock.taking(1), picture())
    crowd.end()
    second = crowd.order.index("slow 1")
    assert [name for name in crowd.order[:second] if name[0] == "q"] == [
        "quick 0",
        "quick 1",
        "quick 2",
    ]


def test_many_calls_of_an_owner_have_the_turns_of_one():
    clock = Clock()
    device = turns.Turns(clock=clock)
    crowd = Crowd(device)
    with device.turn("someone", NOTHING):
        for number in range(6):
            crowd.call("greedy", f"greedy {number}", clock.taking(1), picture())
        for number in range(3):
            crowd.call("modest", f"modest {number}", clock.taking(1), picture())
    crowd.end()
    assert sorted(name[0] for name in crowd.order[:6]) == ["g"] * 3 + ["m"] * 3


def test_nobody_saves_time_up():
    clock = Clock()
    device = turns.Turns(clock=clock)
    device.apply("idle", clock.taking(1), picture(), NOTHING)
    for _ in range(20):
        device.apply("busy", clock.taking(5), picture(), NOTHING)
    crowd = Crowd(device)
    with device.turn("someone", NOTHING):
        for number in range(4):
            crowd.call("idle", f"idle {number}", clock.taking(1), picture())
            crowd.call("busy", f"busy {number}", clock.taking(1), picture())
    crowd.end()
    # 20 turns of the other one do not give it 20 now.
    assert "busy 0" in crowd.order[:5]
    assert len(device._seconds) <= 3


def doubled(sizes):
    def function(images):
        sizes.append(len(images))
        return images * 2

    return function


def test_waiting_tiles_of_several_owners_are_one_padded_batch():
    sizes = []
    device, function = turns.Turns(most=8), doubled(sizes)
    crowd = Crowd(device)
    with device.turn("someone", NOTHING):
        for owner in range(3):
            crowd.call(str(owner), owner, function, picture(owner))
        crowd.call("other", "wide", function, picture(7, side=6))
        crowd.call("other", "else", doubled(sizes), picture(9))
    crowd.end()
    assert sorted(sizes) == [1, 1, 4]
    for owner in range(3):
        assert (crowd.made[owner] == 2 * owner).all()
        assert crowd.made[owner].shape == (1, 4, 4, 3)
    assert (crowd.made["wide"] == 14).all() and (crowd.made["else"] == 18).all()


def test_on_a_cpu_each_tile_is_computed_alone():
    sizes = []
    device, function = turns.Turns(), doubled(sizes)
    crowd = Crowd(device)
    with device.turn("someone", NOTHING):
        for owner in range(3):
            crowd.call(str(owner), owner, function, picture(owner))
    crowd.end()
    assert sizes == [1, 1, 1]


def test_a_batch_without_memory_is_computed_one_by_one_and_only_the_bad_one_fails():
    def function(images):
        if len(images) > 1:
            raise RuntimeError("RESOURCE_EXHAUSTED: out of memory")
        if images[0, 0, 0, 0] == 1:
            raise RuntimeError("RESOURCE_EXHAUSTED: even alone")
        return images + 1

    device = turns.Turns(most=4)
    crowd = Crowd(device)
    with device.turn("someone", NOTHING):
        for owner in range(3):
            crowd.call(str(owner), owner, function, picture(owner))
    crowd.end()
    assert device.most == 2
    assert (crowd.made[0] == 1).all() and (crowd.made[2] == 3).all()
    assert "even alone" in str(crowd.made[1])


def test_who_is_cancelled_while_waiting_leaves_at_once_and_others_go_on():
    device = turns.Turns()
    cancelled = threading.Event()

    def check():
        if cancelled.is_set():
            raise InterruptedError

    crowd = Crowd(device)
    with device.turn("someone", NOTHING):
        crowd.call("a", "leaves", lambda images: images, picture(), check)
        crowd.call("b", "stays", lambda images: images, picture(3))
        cancelled.set()
        device.look()
        crowd.threads[0].join(10)
        assert isinstance(crowd.made["leaves"], InterruptedError)
    crowd.end()
    assert (crowd.made["stays"] == 3).all()


def test_a_call_is_told_which_share_of_its_batch_was_of_use():
    device, function = turns.Turns(most=4), lambda images: images + 1
    told = []

    def run(value):
        device.apply(str(value), function, picture(value), NOTHING, told.append)

    threads = [threading.Thread(target=run, args=(value,)) for value in range(3)]
    with device.turn("someone", NOTHING):
        for thread in threads:
            thread.start()
        while len(device._waiting) < 3:
            time.sleep(0.001)
    for thread in threads:
        thread.join(10)
    device.apply("alone", function, picture(1), NOTHING, told.append)
    assert told == [3 / 4] * 3 + [1.0]


def test_an_error_inside_a_turn_gives_the_device_back():
    device = turns.Turns()
    with pytest.raises(KeyError), device.turn("a", NOTHING):
        raise KeyError
    assert (device.apply("b", lambda images: images, picture(1), NOTHING) == 1).all()


def test_two_hundred_threads_get_what_is_theirs():
    device, function = turns.Turns(most=4), lambda images: images + 1
    crowd = Crowd(device)
    threads = []

    def run(value):
        for _ in range(5):
            made = device.apply(str(value % 7), function, picture(value), NOTHING)
            crowd.made[value] = (made == value + 1).all()

    for value in range(200):
        threads.append(threading.Thread(target=run, args=(value,)))
        threads[-1].start()
    for thread in threads:
        thread.join(30)
    assert len(crowd.made) == 200 and all(crowd.made.values())
    assert not device._waiting and not device._busy
