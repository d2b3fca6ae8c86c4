import json
import os
import pickle
from concurrent import futures

import grain
import numpy as np
import pytest

from jaxrestore import errors, images
from jaxrestore.data import sources


def grey(value, side=8):
    return np.full((side, side, 3), value, np.uint8)


def write(path, value, side=8):
    path.parent.mkdir(parents=True, exist_ok=True)
    images.encode(grey(value, side), path)


def values(source):
    return [int(item["image"][0, 0, 0]) for item in source]


def test_folder_is_sorted_by_path_and_goes_below(tmp_path):
    for value, name in enumerate(["a.png", "b/a.PNG", "b/c/d.bmp", "c.webp"]):
        write(tmp_path / name, value)
    folder = sources.Folder(tmp_path)
    assert [item["name"] for item in folder] == [
        "a.png",
        "b/a.PNG",
        "b/c/d.bmp",
        "c.webp",
    ]
    assert values(folder) == [0, 1, 2, 3]
    assert repr(folder) == repr(sources.Folder(str(tmp_path)))


def test_hidden_files_and_other_files_are_left_out(tmp_path):
    write(tmp_path / "a.png", 1)
    write(tmp_path / "._a.png", 2)
    write(tmp_path / ".hidden" / "a.png", 3)
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "folder.png").mkdir()
    assert values(sources.Folder(tmp_path)) == [1]


def test_folder_links_are_followed_but_not_in_circles(tmp_path):
    write(tmp_path / "root" / "a.png", 1)
    write(tmp_path / "elsewhere" / "b.png", 2)
    (tmp_path / "root" / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "root" / "loop").symlink_to(tmp_path / "root")
    (tmp_path / "elsewhere" / "back").symlink_to(tmp_path / "root")
    folder = sources.Folder(tmp_path / "root")
    assert [item["name"] for item in folder] == ["a.png", "link/b.png"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("absent", "does not exist"),
        ("file.txt", "is not a folder"),
        ("empty", "holds no image files; looked there and below for .avif"),
    ],
)
def test_folder_without_images_is_refused_in_one_sentence(tmp_path, name, message):
    (tmp_path / "file.txt").write_text("")
    (tmp_path / "empty").mkdir()
    with pytest.raises(errors.NoInputError, match=message):
        sources.Folder(tmp_path / name)


def damaged_folder(root):
    for value in range(12):
        write(root / f"{value:02}.png", value)
    (root / "03.png").write_bytes(b"no image")
    (root / "07.png").write_bytes((root / "07.png").read_bytes()[:40])
    (root / "09.png").unlink()
    (root / "09.png").symlink_to(root / "nowhere")
    (root / "11.png").unlink()
    os.mkfifo(root / "11.png")


def test_damaged_files_are_substituted_and_the_others_keep_their_places(tmp_path):
    damaged_folder(tmp_path)
    folder = sources.Folder(tmp_path)
    # 7919 is 11 modulo 12: the next try is the file before.
    assert values(folder) == [0, 1, 2, 2, 4, 5, 6, 6, 8, 8, 10, 10]
    assert sorted(folder.damaged) == ["03.png", "07.png", "09.png", "11.png"]
    assert folder[3]["name"] == "02.png"


def test_substitution_does_not_depend_on_the_order_of_reads(tmp_path):
    damaged_folder(tmp_path)
    folder, again = sources.Folder(tmp_path), sources.Folder(tmp_path)
    order = list(np.random.default_rng(0).permutation(120) % 12)
    with futures.ThreadPoolExecutor(8) as threads:
        items = list(threads.map(folder.__getitem__, order))
    assert [item["name"] for item in items] == [again[i]["name"] for i in order]
    assert folder.damaged == again.damaged


def test_report_names_each_damaged_file_once_and_is_json(tmp_path):
    damaged_folder(tmp_path)
    os.rename(tmp_path / "03.png", os.fsencode(tmp_path) + b"/03\xff\n.png")
    folder = sources.Folder(tmp_path)
    assert values(folder) == values(folder)
    report = json.loads(json.dumps(folder.report(), ensure_ascii=False))
    assert report["root"] == str(tmp_path) and report["images"] == 12
    names = [row["name"] for row in report["damaged"]]
    assert names == ["03\\xff\n.png", "07.png", "09.png", "11.png"]
    assert "no such file" in report["damaged"][2]["reason"]


def test_too_small_images_count_as_damaged(tmp_path):
    write(tmp_path / "a.png", 1, side=8)
    write(tmp_path / "b.png", 2, side=9)
    folder = sources.Folder(tmp_path, minimum=9)
    assert values(folder) == [2, 2]
    assert "8x8 is below the minimum of 9" in folder.damaged["a.png"]


@pytest.mark.parametrize("count", [1, 3, 15])
def test_a_wholly_damaged_folder_is_an_error_with_names(tmp_path, count):
    for k in range(count):
        (tmp_path / f"{k:02}.png").write_bytes(b"no image")
    folder = sources.Folder(tmp_path)
    tried = min(count, 10)
    with pytest.raises(errors.NoInputError, match=rf"{tried} of {count}.*00\.png"):
        folder[0]
    assert len(folder.damaged) == tried


def test_folder_can_be_sent_to_another_process(tmp_path):
    write(tmp_path / "a.png", 5)
    assert values(pickle.loads(pickle.dumps(sources.Folder(tmp_path)))) == [5]


def test_indices_outside_are_index_errors(tmp_path):
    write(tmp_path / "a.png", 5)
    arrays = sources.Arrays([grey(1)], ["one"])
    for source in (sources.Folder(tmp_path), arrays, sources.Joined(arrays)):
        for index in (-1, 1):
            with pytest.raises(IndexError, match=f"index {index} is outside 0 to 0"):
                source[index]


def test_arrays_are_handed_out_read_only_with_their_names():
    mine = grey(4)
    item = sources.Arrays([mine], ["four"])[np.int64(0)]
    assert item["name"] == "four"
    with pytest.raises(ValueError, match="read-only"):
        item["image"][:] = 0
    mine[:] = 0  # the caller's own stays writable


def test_arrays_refuse_floats_and_missing_names():
    with pytest.raises(ValueError, match=r"half: expected uint8.*got float64\[8, 8, 3"):
        sources.Arrays([grey(4) / 2], ["half"])
    with pytest.raises(ValueError, match="got 2 images and 1 names"):
        sources.Arrays([grey(4), grey(5)], ["four"])
    with pytest.raises(ValueError, match="at least one"):
        sources.Arrays([], [])


def test_joined_sources_follow_one_another(tmp_path):
    damaged_folder(tmp_path)
    numbers = sources.Arrays([grey(100), grey(101)], ["100", "101"])
    joined = sources.Joined(numbers, sources.Folder(tmp_path), numbers)
    assert len(joined) == 16
    assert values(joined)[:4] == [100, 101, 0, 1]
    assert values(joined)[-2:] == [100, 101]
    report = joined.report()
    assert report["root"] == f"memory + {tmp_path} + memory"
    assert report["images"] == 16 and len(report["damaged"]) == 4
    assert repr(joined).startswith("Joined(Arrays(100, 101), Folder(")
    with pytest.raises(ValueError, match="at least one source"):
        sources.Joined()


def test_grain_reads_a_folder_with_threads(tmp_path):
    damaged_folder(tmp_path)
    data = grain.MapDataset.source(sources.Folder(tmp_path)).seed(1).shuffle()
    data = data.map(lambda item: item["image"]).repeat(2).batch(3)
    options = grain.ReadOptions(num_threads=4, prefetch_buffer_size=4)
    batches = list(data.to_iter_dataset(options))
    np.testing.assert_array_equal(np.stack(batches), np.stack([*data]))
