import shutil

import numpy as np
import pytest

from jaxrestore import images
from jaxrestore.data import inventory, pipeline, sources, splits

DATA = {"layout": "images", "split": (), "train": "a", "evaluation": "b"}


def folder(place, **pixels):
    """A folder of PNG files, each of one level."""
    place.mkdir(parents=True, exist_ok=True)
    for name, level in pixels.items():
        images.encode(np.full((9, 11, 3), level, np.uint8), place / f"{name}.png")
    return place


def test_a_record_tells_what_was_added_removed_and_changed(tmp_path):
    place = folder(tmp_path, a=1, b=2, c=3)
    before = inventory.record(sources.Folder(place))
    assert before["images"] == 3 and [*before["files"]] == ["a.png", "b.png", "c.png"]
    assert inventory.changes(before, inventory.record(sources.Folder(place))) == ""
    (place / "a.png").unlink()
    folder(place, d=4)
    (place / "c.png").write_bytes(b"shorter")
    said = inventory.changes(before, inventory.record(sources.Folder(place)))
    assert said == ("3 -> 3 images, added d.png, removed a.png, of another size c.png")


def test_of_many_images_a_record_has_the_count_and_a_digest(tmp_path, monkeypatch):
    monkeypatch.setattr(inventory, "LISTED", 1)
    place = folder(tmp_path, a=1, b=2)
    before = inventory.record(sources.Folder(place))
    assert set(before) == {"images", "sha256"}
    folder(place, c=3)
    after = inventory.record(sources.Folder(place))
    assert inventory.changes(before, after) == "2 -> 3 images"


def test_images_are_shared_by_what_their_files_hold(tmp_path):
    ours = sources.Folder(folder(tmp_path / "ours", a=1, b=2, c=3))
    theirs = sources.Folder(folder(tmp_path / "theirs", x=3, y=4, z=1))
    assert inventory.shared([ours], theirs) == ["x.png", "z.png"]
    assert inventory.shared([theirs.only([1])], ours) == []
    joined = sources.Joined(theirs, ours)
    assert inventory.shared([joined], theirs) == ["x.png", "y.png", "z.png"]


def test_files_of_one_size_are_read_whole_only_if_they_begin_alike(
    tmp_path, monkeypatch
):
    for name, text in {"a": b"1" * 5000, "b": b"2" * 5000, "c": b"3"}.items():
        (tmp_path / "ours").mkdir(exist_ok=True)
        (tmp_path / "ours" / f"{name}.png").write_bytes(text)
    shutil.copytree(tmp_path / "ours", tmp_path / "theirs")
    (tmp_path / "theirs" / "a.png").write_bytes(b"1" * 4999 + b"0")
    (tmp_path / "theirs" / "b.png").write_bytes(b"0" * 5000)
    read = []
    whole = splits.fingerprint
    monkeypatch.setattr(
        splits, "fingerprint", lambda path: read.append(path.name) or whole(path)
    )
    ours, theirs = (sources.Folder(tmp_path / name) for name in ("ours", "theirs"))
    assert inventory.shared([ours], theirs) == ["c.png"]
    assert sorted(read) == ["a.png", "a.png", "c.png", "c.png"]
    read.clear()
    assert len(inventory.shared([ours], ours)) == 3 and not read


def test_photographs_of_the_package_are_compared_by_their_pixels():
    data = {"train": "embedded", "evaluation": "public_domain", "leaves": 0.5}
    data |= {"leaves_bank": 1, "leaves_side": 16, "leaves_refresh": 1}
    found, scored = pipeline.both_sources({**data, "threads": 1}, 0, 16)
    said = inventory.notices({**DATA, **data}, [x for x, _ in found], scored)
    assert len(said) == 1 and "6 are also trained on (camera, hubble," in said[0]
    found, scored = pipeline.both_sources({**data, "evaluation": "embedded"}, 0, 16)
    assert not inventory.notices({**DATA, **data}, [x for x, _ in found], scored)


@pytest.mark.parametrize("rooms", [("input", "target"), ("A", "B")])
def test_pairs_that_are_read_as_images_are_told(tmp_path, rooms):
    pairs = tmp_path / "pairs"
    one, other = (folder(pairs / room, a=1) for room in rooms)
    data = {**DATA, "train": f"{one}, {pairs}", "evaluation": str(other)}
    nothing = sources.Folder(folder(tmp_path / "x", a=7))
    (said,) = inventory.notices(data, [nothing], sources.Folder(other))
    assert (
        f"config.data.train ({pairs}) holds the folders {' and '.join(rooms)}" in said
    )
    assert "config.data.layout to 'folders'" in said
    data |= {"layout": "folders"}
    assert not inventory.notices(data, [nothing], sources.Folder(other))


def test_a_split_shares_nothing_and_is_not_compared(tmp_path):
    place = sources.Folder(folder(tmp_path, a=1))
    assert not inventory.notices({**DATA, "split": (0.5, 0)}, [place], place)
    assert len(inventory.notices(DATA, [place], place)) == 1
