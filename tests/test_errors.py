"""What errors say; with which code a command ends: tests/cli/test_ending.py."""

import errno

import pytest

from jaxrestore import errors


@pytest.mark.parametrize(
    "bug", [ValueError("x"), FileNotFoundError(errno.ENOENT, "No such file", "/x")]
)
def test_a_bug_is_not_explained(bug):
    assert errors.explained(bug) is None


def test_what_is_told_already_stays_as_it_is():
    error = errors.MismatchError("x")
    assert errors.explained(error) is error


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("RESOURCE_EXHAUSTED: Out of memory")]
)
def test_a_lack_of_memory_is_explained(error):
    found = errors.explained(error)
    assert isinstance(found, errors.OutOfMemoryError)
    assert "lower config.batch_size" in str(found)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device", "/x"),
            "/x cannot be used (No space left on device); free some space, then give "
            "the same command again",
        ),
        (
            PermissionError(errno.EACCES, "Permission denied", "/x"),
            "/x cannot be used (Permission denied); give a place that can be read and "
            "written",
        ),
        (
            OSError(errno.EROFS, "Read-only file system"),
            "Read-only file system; give a place that can be read and written",
        ),
        (
            ValueError("a.zarr: No space left on device"),
            "a.zarr: No space left on device; free some space, then give the same "
            "command again",
        ),
    ],
)
def test_a_place_that_cannot_be_used_is_told_with_a_remedy(error, sentence):
    found = errors.explained(error)
    assert isinstance(found, errors.DiskError) and str(found) == sentence


def test_what_one_file_may_meet_is_a_sentence_and_all_else_is_raised():
    told = errors.of_one_file(MemoryError())
    assert isinstance(told, errors.OutOfMemoryError)
    assert "more memory than there is" in str(told) and "batch_size" not in str(told)
    long = OSError(errno.ENAMETOOLONG, "File name too long", "/x")
    told = errors.of_one_file(long)
    assert str(told) == "/x cannot be used (File name too long); give a shorter name"
    bad = errors.ImageError("x")
    assert errors.of_one_file(bad) is bad
    full = errors.DiskError("x")
    full.__cause__ = OSError(errno.ENOSPC, "No space left on device")
    gone, stopped = errors.ServerError("x"), errors.Interrupted("x", 2)
    for error in (full, full.__cause__, gone, stopped, ValueError("x")):
        with pytest.raises(type(error)):
            errors.of_one_file(error)


def test_a_signal_is_part_of_the_exit_code():
    assert errors.Interrupted("x", 15).exit_code == 143


def test_nothing_left_out_is_no_error():
    errors.raise_partial({}, "skipped")


def test_up_to_ten_of_what_was_left_out_are_named():
    with pytest.raises(errors.PartialError) as caught:
        errors.raise_partial({"a": "broken", "b": "empty"}, "skipped")
    assert str(caught.value) == "2 skipped:\n  a: broken\n  b: empty"
    with pytest.raises(errors.PartialError) as caught:
        errors.raise_partial({f"i{n}": "broken" for n in range(12)}, "skipped")
    lines = str(caught.value).split("\n  ")
    assert lines[0] == "12 skipped:" and lines[10:] == ["i9: broken", "and 2 more"]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("", ""),
        ("a", "a"),
        ("abcde", "a, b, c, d, e"),
        ("abcdefg", "a, b, c, d, e and 2 more"),
    ],
)
def test_the_first_five_names_are_told_and_how_many_more(names, expected):
    assert errors.some(names) == expected
