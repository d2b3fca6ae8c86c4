from pathlib import Path

import pytest

from jaxrestore import errors
from jaxrestore.serving import values
from jaxrestore.serving.engine import messages

TASK = values.TaskInfo(
    *("denoise", "Remove noise", "It goes."),
    methods=("network", "prior"),
    why_not={"classical": "No."},
    networks=(values.Network("denoise", "unet", "Apache-2.0", "5e" * 32),),
)
SAID = (
    messages.Begin(Path("models"), 4, 5, 60.0, None),
    messages.Cancel("a"),
    messages.Finish("b"),
    values.Order(
        *("a", "someone", "jpeg", "network", Path("in.npy"), Path("out.npy")),
        cells=Path("cells.json"),
        alone=True,
        options={"strength": 0.5, "ensemble": True},
    ),
    values.Ready((TASK, TASK), "cpu", 1.5),
    values.Started("a"),
    values.Progressed("a", 0.25, preview=True),
    values.Ended("a", values.Status.FAILED, "disk", "It is full.", {"tiles": 3}),
    values.Beat(1.0, 2**33),
)


@pytest.mark.parametrize("message", SAID, ids=lambda one: type(one).__name__)
def test_a_message_comes_back_as_it_was(message):
    line = messages.line(message)
    assert line.count(b"\n") == 1 and line.endswith(b"\n")
    assert messages.read(line) == message


def test_every_kind_is_tried():
    assert {type(one) for one in SAID} == {*messages.KINDS.values()}


@pytest.mark.parametrize(
    "line", [b"", b"{}", b"[1]", b'["Nothing", {}]', b'["Cancel", {"jobs": "a"}]']
)
def test_what_is_no_message_is_told(line):
    with pytest.raises(errors.DamagedError, match="no message"):
        messages.read(line)
