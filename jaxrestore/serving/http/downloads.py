"""Files as answers: their names, their tags, and who has them already."""

import asyncio
import io
import os
from collections.abc import AsyncIterator
from urllib.parse import quote

from fastapi import Request, Response
from fastapi.responses import StreamingResponse
from starlette.background import BackgroundTask

from jaxrestore.serving import refusals
from jaxrestore.serving.service import Picture, Result

_CHUNK = 2**18


def disposition(name: str, attached: bool) -> str:
    """Returns `Content-Disposition` (RFC 6266): a plain name, and the true one.

    >>> downloads.disposition("Käse.png", attached=True)
    'attachment; filename="K_se.png"; filename*=UTF-8\\'\\'K%C3%A4se.png'
    """
    kind = "attachment" if attached else "inline"
    plain = "".join(
        letter if " " <= letter <= "~" and letter not in '"\\/%' else "_"
        for letter in name
    )
    if plain == name:
        return f'{kind}; filename="{plain}"'
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def fresh(request: Request, etag: str) -> bool:
    """Whether the client has what has this tag, as `If-None-Match` says.

    What a POST makes nobody has yet.
    """
    if request.method not in ("GET", "HEAD"):
        return False
    said = request.headers.get("if-none-match", "")
    known = {one.strip().removeprefix("W/") for one in said.split(",")}
    return etag in known or "*" in known


def file(
    request: Request,
    result: Result,
    *,
    attached: bool = True,
    background: BackgroundTask | None = None,
) -> Response:
    """Returns an answer with a file, or 304 where the client has it."""
    etag = _quoted(result.etag)
    headers = {
        "etag": etag,
        "cache-control": "private, no-cache",
        "content-disposition": disposition(result.name, attached),
    }
    if fresh(request, etag):
        return Response(status_code=304, headers=headers)
    try:
        opened = result.open()
    except FileNotFoundError as error:
        raise refusals.not_found("result") from error
    headers["content-length"] = str(opened.seek(0, os.SEEK_END))
    opened.seek(0)
    return StreamingResponse(
        _parts(opened),
        headers=headers,
        media_type=result.media_type,
        background=background,
    )


def picture(one: Picture) -> Response:
    """Returns an answer with a picture to be shown."""
    return Response(one.content, media_type=one.media_type)


async def _parts(opened: io.BytesIO | io.BufferedReader) -> AsyncIterator[bytes]:
    """Reads in a thread; a file that is deleted meanwhile is read to its end."""
    try:
        while chunk := await asyncio.to_thread(opened.read, _CHUNK):
            yield chunk
    finally:
        opened.close()


def _quoted(etag: str) -> str:
    return etag if etag.startswith(('"', 'W/"')) else f'"{etag}"'
