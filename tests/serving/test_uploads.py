"""What is received, and the names that it had."""

import hashlib
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from serving.pictures_of import chunks, run

from jaxrestore.serving import uploads
from jaxrestore.serving.refusals import Refusal


@pytest.mark.parametrize("size", [1, 999, 2**20, 2**20 + 1, 3 * 2**20 + 5])
def test_what_is_received_is_what_was_sent_and_then_gone(tmp_path, size):
    content = bytes(range(251)) * (size // 251 + 1)
    content = content[:size]

    async def within():
        sent = chunks(content, 100_000)
        async with uploads.received(sent, tmp_path, size) as upload:
            assert upload.path.read_bytes() == content
            assert upload.path.stat().st_mode & 0o77 == 0
            assert uploads.of_file(upload.path) == upload
            assert upload.sha256 == hashlib.sha256(content).hexdigest()
        assert [*tmp_path.iterdir()] == []

    run(within())


def test_more_than_is_allowed_is_refused_as_soon_as_it_comes(tmp_path):
    asked = []

    async def endless():
        while True:
            asked.append(1)
            yield bytes(1000)

    async def within():
        with pytest.raises(Refusal) as refused:
            async with uploads.received(endless(), tmp_path, 10_000):
                pass
        assert (refused.value.status, refused.value.limit) == (413, 10_000)
        assert len(asked) == 11 and [*tmp_path.iterdir()] == []

    run(within())


def test_who_breaks_off_leaves_nothing(tmp_path):
    async def broken():
        yield bytes(1000)
        raise ConnectionResetError

    async def within():
        with pytest.raises(ConnectionResetError):
            async with uploads.received(broken(), tmp_path, 10_000):
                pass
        assert [*tmp_path.iterdir()] == []

    run(within())


@settings(max_examples=50)
@given(
    st.text(max_size=120) | st.sampled_from(["..", "/", "a/..", ".png", "-rf", "a."])
)
def test_a_stem_is_harmless_whatever_the_name_was(name):
    for kept in (uploads.stem(name), uploads.shown(name)):
        assert 0 < len(kept) <= 80
        assert not {*kept} & {*'/\\:*?"<>|%\0'}
        assert all(unicodedata.category(sign)[0] != "C" for sign in kept), repr(kept)
    assert uploads.stem(name)[0] not in ".- " and uploads.stem(name)[-1] not in ". "


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("cat.png", "cat"),
        ("a/b\\cat.tar.gz", "cat.tar"),
        ("Straße 1 (2).JPEG", "Straße 1 (2)"),
        ("no suffix", "no suffix"),
        ("v1.final version", "v1.final version"),
        ("../../etc/passwd", "passwd"),
        ("evil\r\nSet-Cookie: a", "evil_Set-Cookie_ a"),
        ("...", "picture"),
        (None, "picture"),
    ],
)
def test_the_stem_of_a_name_is_kept_as_far_as_it_can_be(name, stem):
    assert uploads.stem(name) == stem
