"""The files of the pages, read once: no path of a request ever reaches the disk."""

import hashlib
import mimetypes
from pathlib import Path

from fastapi import APIRouter, Request, Response
from starlette.exceptions import HTTPException

STATIC = Path(__file__).parent / "static"
_KEPT = "public, no-cache"  # browsers keep them, and ask whether they are as they were


def router() -> APIRouter:
    """Returns what answers `/static/…`, with all files in memory."""
    known = {
        path.relative_to(STATIC).as_posix(): _answer(path)
        for path in sorted(STATIC.rglob("*"))
        if path.is_file()
    }
    made = APIRouter(include_in_schema=False)

    @made.get("/static/{name:path}")
    async def static(request: Request, name: str) -> Response:
        """A file, unless the browser has it."""
        if name not in known:
            raise HTTPException(404)
        content, headers = known[name]
        if headers["etag"] in request.headers.get("if-none-match", ""):
            return Response(None, 304, headers)
        return Response(content, 200, headers)

    return made


def _answer(path: Path) -> tuple[bytes, dict[str, str]]:
    content = path.read_bytes()
    kind = mimetypes.guess_type(path.name)[0] or "text/plain"
    if kind.startswith("text/"):
        kind += "; charset=utf-8"
    tag = hashlib.sha256(content).hexdigest()[:16]
    return content, {
        "content-type": kind,
        "etag": f'"{tag}"',
        "cache-control": _KEPT,
    }
