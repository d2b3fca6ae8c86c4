import os

import numpy as np
import pytest

from jaxrestore.collection import keys

OPTIONS = {
    "level": 25.0,
    "strength": 0.5,
    "tile": 128,
    "ensemble": True,
    "confine": True,
    "mask": "alpha",
}


def test_every_option_and_the_network_change_the_key():
    settings = {keys.of_setting("network", keys.Options())}
    settings |= {
        keys.of_setting("n", keys.Options(**{k: v})) for k, v in OPTIONS.items()
    }
    settings.add(keys.of_setting("n", keys.Options()))
    assert len(settings) == 2 + len(keys.Options._fields)
    assert {len(keys.of_result("content", s)) for s in settings} == {32}
    assert len({keys.of_result("content", s) for s in settings}) == len(settings)


def test_a_network_is_its_weights_and_its_card(tmp_path):
    weights = tmp_path / "a.safetensors"
    weights.write_bytes(b"weights")
    alone = keys.of_network(weights)
    weights.with_suffix(".json").write_text("{}")
    both = keys.of_network(weights)
    weights.write_bytes(b"others")
    assert len({alone, both, keys.of_network(weights)}) == 3


def test_a_file_has_the_hash_of_what_it_holds(tmp_path):
    place = tmp_path / "a"
    place.write_bytes(b"content")
    assert keys.of_file(place) == keys.of_bytes(b"content")
    with pytest.raises(FileNotFoundError):
        keys.of_file(tmp_path / "b")


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(OSError, match="not a regular file"):
        keys.of_file(tmp_path / "pipe.png")


@pytest.mark.parametrize("count", [0, 1, 1000])
def test_a_table_holds_what_was_put_in_and_nothing_else(count):
    words = [(f"{n}.png", str(n)) for n in range(count)]
    prints = np.unique(np.array([keys.fingerprint(w) for w in words], np.uint64))
    table = keys.Table(prints)
    assert all(table.holds(*one) for one in words)
    assert not any(table.holds(*reversed(one)) for one in words)
    assert not table.holds("") and len(prints) == count


def test_words_are_not_run_together_and_may_be_no_unicode():
    assert keys.fingerprint(["ab", "c"]) != keys.fingerprint(["a", "bc"])
    assert keys.fingerprint(["\udcff"]) == keys.fingerprint(["\udcff"]) < 2**64
