import pytest

from jaxrestore.weights import inputs

HOLES, LEVEL = {"name": "holes"}, {"name": "noise", "level_map": True}
CHAIN = {"name": "chain", "stages": [{"name": "blur"}, HOLES, LEVEL]}


def _run(degradation):
    return {"degradation": degradation}


@pytest.mark.parametrize(
    ("colors", "count", "config", "words"),
    [
        ("rgb", 3, None, ["rgb"]),
        ("gray", 1, _run(None), ["gray"]),
        ("gray", 2, None, ["gray", "level"]),  # published
        ("rgb", 4, _run(LEVEL), ["rgb", "level"]),
        ("rgb", 4, _run(HOLES), ["rgb", "mask"]),
        ("rgb", 5, _run(CHAIN), ["rgb", "mask", "level"]),
        # What cannot be told: a fourth channel of a run that appends none, grey that
        # becomes colour, more than the run appends.
        ("rgb", 4, _run({"name": "blur"}), []),
        ("rgb", 1, None, []),
        ("rgb", 4, _run(CHAIN), []),
        ("rgb", 5, None, []),
    ],
)
def test_what_the_channels_are_is_derived_from_what_is_known(
    colors, count, config, words
):
    assert inputs.derived(colors, count, config) == words
    assert inputs.fit(words, colors, count)


@pytest.mark.parametrize(
    "words",
    [
        "rgb",
        None,
        ["rgb"],  # three of four channels
        ["gray", "rgb"],  # the picture is not the first
        ["rgb", "gray"],  # two pictures
        ["level", "rgb"],
        ["rgb", "depth"],
        ["rgb", ["level"]],
    ],
)
def test_words_that_are_not_those_of_the_channels_do_not_fit(words):
    assert not inputs.fit(words, "rgb", 4)
