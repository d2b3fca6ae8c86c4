import pytest

from jaxrestore import errors
from jaxrestore.collection import verification


def _verify(tmp_path):
    return verification.verify(tmp_path / "pictures", tmp_path / "out")


def test_a_collection_that_is_whole_is_done_and_failed(restore, tmp_path):
    restore()
    assert _verify(tmp_path) == (5, 4, 1, 0, {})


def test_whatever_is_missing_or_has_changed_is_named(restore, pictures, tmp_path):
    restore()
    out = tmp_path / "out"
    (out / "a.png").unlink()
    (pictures / "below" / "b.jpg").write_bytes((pictures / "a.png").read_bytes())
    result = out / "below" / "c.png"
    result.write_bytes(result.read_bytes()[:-1] + b"?")  # of the same size
    (pictures / "e.png").write_text("no picture either")
    (pictures / "new.png").write_bytes(b"")
    assert _verify(tmp_path) == (
        6,
        1,
        0,
        5,
        {
            "a.png": "its result, a.png, is missing",
            "below/b.jpg": "it has changed since it was restored",
            "below/c.png": "its result, below/c.png, has changed since it was written",
            "e.png": "it has not been restored",
            "new.png": "it has not been restored",
        },
    )
    # A run mends what can be mended: not a change that no size tells.
    (out / "below" / "c.png").unlink()
    restore()
    assert _verify(tmp_path) == (6, 4, 2, 0, {})


def test_a_picture_that_cannot_be_read_stands_in_the_report(
    restore, pictures, tmp_path
):
    (pictures / "gone.png").symlink_to(pictures / "nowhere")
    restore()
    assert _verify(tmp_path)[:4] == (6, 4, 2, 0)
    (pictures / "gone2.png").symlink_to(pictures / "nowhere")
    assert _verify(tmp_path).named == {"gone2.png": "it cannot be read"}


def test_progress_and_names_have_an_end(restore, pictures, tmp_path, monkeypatch):
    restore()
    monkeypatch.setattr(verification, "NAMED", 2)
    for number in range(200):
        (pictures / f"{number:03}.png").write_bytes(b"")
    seen = []
    verdict = verification.verify(pictures, tmp_path / "out", progress=seen.append)
    assert seen == [100, 200] and len(verdict.named) == 2
    assert verdict.inputs == verdict.done + verdict.failed + verdict.wrong == 205


def test_a_folder_without_a_collection_is_refused(pictures, tmp_path):
    with pytest.raises(errors.NoInputError, match="holds no collection"):
        _verify(tmp_path)
