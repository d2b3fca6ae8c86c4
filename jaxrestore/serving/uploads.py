"""What is uploaded: received into a file that is gone once it was read."""

import asyncio
import contextlib
import hashlib
import re
import tempfile
import unicodedata
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

from jaxrestore.serving.refusals import Refusal

_PART = 2**20  # bytes that are written together
_HARMLESS = re.compile(r"[^\w .()+-]+")
_MOST_LETTERS = 80


class Upload(NamedTuple):
    """A file that was received: where it is, its length and SHA-256."""

    path: Path
    bytes: int
    sha256: str


@contextlib.asynccontextmanager
async def received(
    chunks: AsyncIterator[bytes], folder: Path, most: int
) -> AsyncIterator[Upload]:
    """Gives what `chunks` hold as a file in `folder`, until the block is left.

    Refused are 413 more than so many bytes, as soon as they come, and 422 none at all.
    """
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        digest, size, waiting = hashlib.sha256(), 0, bytearray()

        def take(part):
            digest.update(part)
            file.write(part)

        async for chunk in chunks:
            size += len(chunk)
            if size > most:
                raise Refusal(
                    413,
                    "too_many_bytes",
                    "The file is too large",
                    f"The file has more than {most / 2**20:g} MiB, which are the most; "
                    "make it smaller.",
                    limit=most,
                )
            waiting += chunk
            if len(waiting) >= _PART:
                await asyncio.to_thread(take, waiting)
                waiting = bytearray()
        if not size:
            raise Refusal(
                422, "empty", "The file is empty", "Nothing was sent; choose a picture."
            )
        take(waiting)
        await asyncio.to_thread(file.flush)
        yield Upload(Path(file.name), size, digest.hexdigest())


def stem(name: str | None) -> str:
    """Returns the name of a file without folders and suffix, for downloads.

    Only letters, digits, spaces and a few signs are left of it.

    >>> uploads.stem("C:\\\\photos\\\\..\\\\Été 1.jpeg"), uploads.stem(None)
    ('Été 1', 'picture')
    """
    last = re.split(r"[/\\]", unicodedata.normalize("NFC", name or ""))[-1]
    left, dot, right = last.rpartition(".")
    kept = left if dot and left and re.fullmatch(r"\w{1,5}", right) else last
    kept = _HARMLESS.sub("_", kept)[:_MOST_LETTERS].strip(" .-+_")
    return kept or "picture"


def shown(name: str) -> str:
    """Returns the last part of a name of a file with only harmless signs in it.

    >>> uploads.shown("a/b<c>.png")
    'b_c_.png'
    """
    last = re.split(r"[/\\]", unicodedata.normalize("NFC", name))[-1]
    return _HARMLESS.sub("_", last)[:_MOST_LETTERS] or "file"


def of_file(path: Path) -> Upload:
    """Returns a file that is there already as what was received."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Upload(path, path.stat().st_size, digest)
