"""Pictures as they come in: a body that is one, or the file of a form."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from starlette.datastructures import FormData, UploadFile

from jaxrestore.serving.refusals import Refusal

_CHUNK = 2**16
_FIELD = 2**16  # bytes of a field that is no file
FORM = "multipart/form-data"
RAW = ("image/", "application/octet-stream", "application/zip")


@dataclass(frozen=True)
class Upload:
    """What somebody uploads: its parts, and the name that it had there."""

    chunks: AsyncIterator[bytes]
    name: str | None


def media(request: Request) -> str:
    """Returns the media type of a body, without what follows it."""
    said = request.headers.get("content-type", "")
    return said.partition(";")[0].strip().lower()


@contextlib.asynccontextmanager
async def form(request: Request, files: int = 1) -> AsyncIterator[FormData]:
    """Yields a form with so many files at most, 20 fields of 64 KiB beside them."""
    async with request.form(
        max_files=files, max_fields=20, max_part_size=_FIELD
    ) as found:
        yield found


@contextlib.asynccontextmanager
async def one(request: Request, name: str | None = None) -> AsyncIterator[Upload]:
    """Yields what the body of a request is, or the `file` of its form.

    `name` is that of a body. Raises `Refusal`: 415 for a body of another type, 422 for
    a form without a file.
    """
    kind = media(request)
    if kind == FORM:
        async with form(request) as found:
            yield part(found, "file")
        return
    if kind and not kind.startswith(RAW):
        raise Refusal(
            415,
            "not_an_image_type",
            "That is not sent as a picture",
            f"The Content-Type is {kind[:60]}; send the file itself as image/png or as "
            "what it is, or a form (multipart/form-data) with a part called file.",
        )
    yield Upload(request.stream(), name)


def part(found: FormData, name: str) -> Upload:
    """Returns a file of a form. Raises `Refusal` (422) where there is none."""
    file = found.get(name)
    if not isinstance(file, UploadFile):
        raise Refusal(
            422,
            "no_file",
            "There is no file",
            f"The form has no file called {name}; add one.",
        )
    return Upload(_read(file), file.filename)


async def _read(file: UploadFile) -> AsyncIterator[bytes]:
    while chunk := await file.read(_CHUNK):
        yield chunk


def described(*fields: str, required: tuple[str, ...] = ()) -> dict[str, Any]:
    """Returns what OpenAPI says of a body that is a picture, or a form with one."""
    binary = {"type": "string", "format": "binary"}
    names = ("file", *fields)
    schema = {
        "type": "object",
        "properties": {name: binary for name in names},
        "required": ["file", *required],
    }
    content = {
        "image/*": {"schema": binary},
        "application/octet-stream": {"schema": binary},
        FORM: {"schema": schema},
    }
    return {"requestBody": {"required": True, "content": content}}
