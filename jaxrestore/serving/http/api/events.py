"""Server-sent events: a job, or a batch, at each of its changes."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from typing import Annotated, Any

import pydantic
from fastapi import APIRouter, Header, Response
from fastapi.responses import StreamingResponse
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event

from jaxrestore.serving.http import problems
from jaxrestore.serving.http.api import schemas
from jaxrestore.serving.http.state import TheService
from jaxrestore.serving.refusals import Refusal
from jaxrestore.serving.service import Service

PING = 15.0  # seconds between comments, where nothing happens
POLL = 0.5  # seconds between two looks at a batch
MEDIA = "text/event-stream"

router = APIRouter(prefix=schemas.ROOT)
Last = Annotated[
    str | None,
    Header(
        alias="Last-Event-ID",
        description="The last event that came: it is not sent again.",
    ),
]
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Events, until it is final; a comment every 15 s.",
        "content": {
            MEDIA: {
                "schema": {"type": "string"},
                "example": 'event: job\nid: 4f2c\ndata: {"status": "running"}\n\n',
            }
        },
    },
    204: {"description": "It is final, and you have the last event: do not ask again."},
    **problems.documented(401, 404, 410, 429),
}


@router.get(
    "/jobs/{id}/events",
    operation_id="follow_job",
    summary="Follow a job",
    tags=["jobs"],
    response_class=Response,
    responses=_RESPONSES,
)
async def job(service: TheService, id: schemas.Id, last: Last = None) -> Response:
    """An event `job` with the job as it stands, and at each change."""
    found = await service.job(id)
    if found.final and last == event_id(schemas.job(found)):
        return Response(status_code=204)
    jobs = (schemas.job(one) async for one in service.events(id))
    return _followed("job", jobs, last)


@router.get(
    "/batches/{id}/events",
    operation_id="follow_batch",
    summary="Follow a batch",
    tags=["batches"],
    response_class=Response,
    responses=_RESPONSES,
)
async def batch(service: TheService, id: schemas.Id, last: Last = None) -> Response:
    """An event `batch` with the batch as it stands, and at each change."""
    found = await _batch(service, id)
    if found.final and last == event_id(found):
        return Response(status_code=204)
    return _followed("batch", _batches(service, id), last)


async def _batch(service: Service, id: str) -> schemas.Batch:
    return schemas.batch(await service.batch(id), await service.batch_jobs(id))


async def _batches(service: Service, id: str) -> AsyncIterator[schemas.Batch]:
    known = None
    while known is None or not known.final:
        try:
            now = await _batch(service, id)
        except Refusal:  # it is deleted
            return
        if known is None or event_id(now) != event_id(known):
            yield now
        known = now
        await asyncio.sleep(POLL)


def event_id(body: pydantic.BaseModel) -> str:
    """Returns an id that is the same as long as nothing has changed."""
    text = body.model_dump_json(exclude={"eta_ms"})
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _followed(
    name: str, bodies: AsyncIterator[pydantic.BaseModel], last: str | None
) -> Response:
    headers = {"x-accel-buffering": "no", "cache-control": "no-store"}
    return StreamingResponse(
        events(name, bodies, last), headers=headers, media_type=MEDIA
    )


async def events(
    name: str,
    bodies: AsyncIterator[pydantic.BaseModel],
    last: str | None,
    ping: float = PING,
) -> AsyncIterator[bytes]:
    """Yields the bytes of events, but the one that is known as `last`, and pings.

    It ends with what it follows.
    """
    coming = None
    try:
        yield format_sse_event(retry=2000)
        while True:
            coming = coming or asyncio.ensure_future(_next(bodies))
            await asyncio.wait({coming}, timeout=ping)
            if not coming.done():
                yield KEEPALIVE_COMMENT
                continue
            body, coming = coming.result(), None
            if body is None:
                return
            if (this := event_id(body)) != last:
                text = body.model_dump_json()
                yield format_sse_event(data_str=text, event=name, id=this)
    finally:
        if coming is not None:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)
        close = getattr(bodies, "aclose", None)
        if close is not None:
            await close()


async def _next(
    bodies: AsyncIterator[pydantic.BaseModel],
) -> pydantic.BaseModel | None:
    return await anext(bodies, None)
