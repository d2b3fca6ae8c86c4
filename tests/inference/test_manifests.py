import hashlib
import json
import os

import numpy as np
import pytest

from jaxrestore import errors, images
from jaxrestore.inference import manifests, plans

OF = {"by": {"task": "photo"}, "weights": "ab", "options": {"strength": 0.5}}


@pytest.fixture
def place(tmp_path):
    """A picture below a folder, and its result, of which the manifest tells."""
    made = plans.Place(
        tmp_path / "in" / "a" / "x.jpg", tmp_path / "out" / "a" / "x.png"
    )
    for path in made:
        path.parent.mkdir(parents=True)
        images.encode(np.zeros((2, 3, 3), np.uint8), path)
    record(made, tmp_path)
    return made


def record(place, tmp_path, mask=None):
    manifest = manifests.opened(tmp_path / "out", **OF)
    manifest.append(place, manifest.origin(place, mask))


def difference(place, tmp_path, mask=None, **changes):
    manifest = manifests.opened(tmp_path / "out", **{**OF, **changes})
    return manifest.difference(place, mask)


def test_a_line_tells_what_a_result_was_made_of(place, tmp_path):
    line = json.loads((tmp_path / "out" / manifests.NAME).read_text())
    digest = lambda data: hashlib.sha256(data).hexdigest()
    assert (line["source"], line["output"]) == ("a/x.jpg", "a/x.png")
    assert line["by"] == {"task": "photo"} and line["options"] == {"strength": 0.5}
    assert line["sha256"] == {
        "source": digest(place.source.read_bytes()),
        "output": digest(place.destination.read_bytes()),
        "mask": "",
        "weights": "ab",
        "options": digest(b'{"strength":0.5}'),
    }
    assert difference(place, tmp_path) == ""


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"options": {"strength": 1.0}}, "its options were other ones"),
        ({"weights": "cd"}, "its weights were other ones"),
        ({"mask": "alpha"}, "its mask is another now"),
        ({"by": {"weights": "x"}}, ""),  # the same network by another name
    ],
)
def test_what_is_another_is_said(place, tmp_path, change, said):
    assert difference(place, tmp_path, **change) == said


def test_another_source_mask_output_or_version_is_seen(place, tmp_path, monkeypatch):
    mask = tmp_path / "mask.png"
    mask.write_text("a mask")
    record(place, tmp_path, mask)
    assert difference(place, tmp_path, mask) == ""
    mask.write_text("another")
    assert difference(place, tmp_path, mask) == "its mask is another now"
    mask.write_text("a mask")
    place.destination.write_text("by hand")
    assert difference(place, tmp_path, mask) == "it was changed after it was made"
    place.source.write_text("another")
    assert difference(place, tmp_path, mask) == "its source is another now"
    record(place, tmp_path, mask)  # the last line counts
    assert difference(place, tmp_path, mask) == ""
    place.source.unlink()
    assert difference(place, tmp_path, mask) == "its source is another now"
    monkeypatch.setattr(manifests, "__version__", "9.9")
    assert "made by jaxrestore" in str(difference(place, tmp_path, mask))


def test_one_run_at_a_time_writes_to_a_folder(tmp_path):
    first, second = (manifests.opened(tmp_path / "new", **OF) for _ in range(2))
    with (
        first.held(),
        pytest.raises(errors.ConfigError, match="another run is restoring to"),
        second.held(),
    ):
        pass
    with first.held():  # it has ended
        (tmp_path / "new" / manifests.NAME).write_text("a line\n")
    # What was missing was asked before that line was there.
    with pytest.raises(errors.ConfigError, match="just written"), second.held():
        pass
    with manifests.opened(tmp_path / "new", **OF).held():
        pass


def test_a_pipe_is_not_waited_for(place, tmp_path):
    pipe = tmp_path / "in" / "pipe.png"
    os.mkfifo(pipe)
    manifest = manifests.opened(tmp_path / "out", **OF)
    origin = manifest.origin(plans.Place(pipe, place.destination), pipe)
    assert origin["sha256"]["source"] == origin["sha256"]["mask"] == ""


def test_of_what_is_not_told_nothing_is_known(place, tmp_path):
    other = place._replace(destination=tmp_path / "out" / "y.png")
    assert difference(other, tmp_path) is None
    empty = manifests.opened(tmp_path / "none", **OF)
    other = place._replace(destination=tmp_path / "none" / "y.png")
    assert empty.lines == {} and empty.difference(other) is None


def test_a_line_that_a_kill_has_cut_counts_as_none_and_hides_no_other(place, tmp_path):
    path = tmp_path / "out" / manifests.NAME
    whole = path.read_bytes()
    for cut in (*range(1, len(whole) - 1, 31), len(whole) - 1):
        path.write_bytes(whole[:cut])
        lines = manifests.opened(tmp_path / "out", **OF).lines
        assert [*lines] == (["a/x.png"] if cut == len(whole) - 1 else [])
    listed = b'{"sha256":["source","mask","weights","options","output"],'
    listed += b'"output":"a/x.png","jaxrestore":"1"}\n'
    others = b"[1]\n{}\nnull\n\xff\n" + listed + b"[" * 100_000 + b"\n"
    path.write_bytes(others + whole[:40])
    record(place, tmp_path)
    assert difference(place, tmp_path) == ""
