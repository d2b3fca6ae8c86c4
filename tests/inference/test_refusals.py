import pytest

from jaxrestore.inference import refusals

NOTHING = {"level": None, "strength": None, "confine": False, "masked": False}


def _found(takes=("rgb",), scale=1, **options):
    return [*refusals.of_options("x", takes, scale, **NOTHING | options)]


@pytest.mark.parametrize(
    ("takes", "options"),
    [
        (("rgb",), {"strength": 0.5, "confine": True}),
        (("rgb", "level"), {"level": 25, "strength": 1}),
        (("rgb", "mask"), {"masked": True}),
        (("gray", "mask", "level"), {"masked": True, "level": 0}),
    ],
)
def test_what_a_network_can_do_is_not_refused(takes, options):
    assert _found(takes, **options) == []


@pytest.mark.parametrize(
    ("takes", "scale", "options", "end"),
    [
        (("rgb", "level"), 1, {}, "from 0 to 255, such as 25"),
        (("rgb",), 1, {"level": 25}, "leave `level` out"),
        (("rgb", "level"), 1, {"level": -1}, "from 0 to 255"),
        (("rgb",), 1, {"strength": 1.5}, "from 0 to 1"),
        (("rgb",), 4, {"strength": 1}, "leave `strength` out"),
        (("rgb",), 4, {"confine": True}, "leave `confine` out"),
        (("rgb", "mask"), 1, {}, "give `mask`, which is white there"),
        (("rgb",), 1, {"masked": True}, "that was trained on holes"),
        (("rgb", "mask"), 4, {"masked": True}, "leave `mask` out"),
        (("rgb", "mask"), 1, {"masked": True, "strength": 1}, "a `mask` is given"),
        (("rgb", "mask"), 1, {"masked": True, "confine": True}, "a `mask` is given"),
    ],
)
def test_what_it_cannot_do_is_told_in_one_sentence(takes, scale, options, end):
    (sentence,) = _found(takes, scale, **options)
    assert sentence.endswith(end)
