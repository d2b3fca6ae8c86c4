"""`/batches`: many pictures at once, and a zip file of what came of them."""

import json
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from jaxrestore.serving.http import downloads, problems, uploads
from jaxrestore.serving.http.api import answers, schemas
from jaxrestore.serving.http.state import TheCaller, TheService
from jaxrestore.serving.refusals import Refusal
from jaxrestore.serving.service import Service

router = APIRouter(prefix=schemas.ROOT, tags=["batches"])
ZIPS = ("application/zip", "application/x-zip-compressed", "application/octet-stream")
_BINARY = {"schema": {"type": "string", "format": "binary"}}


@router.post(
    "/batches",
    operation_id="create_batch",
    summary="Have many pictures restored",
    status_code=202,
    response_model=schemas.Batch,
    responses=problems.documented(
        400, 401, 403, 404, 408, 410, 413, 415, 422, 429, 503, 507
    ),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {"$ref": "#/components/schemas/BatchRequest"}
                },
                "application/zip": _BINARY,
            },
        }
    },
)
async def create(
    request: Request,
    service: TheService,
    caller: TheCaller,
    task: Annotated[
        str | None, Query(max_length=64, description="With a zip file.")
    ] = None,
    method: Literal["network", "prior", "classical"] | None = None,
    params: Annotated[
        str | None, Query(max_length=4096, description="JSON, with a zip file.")
    ] = None,
) -> Response:
    """JSON with the ids of images; or a zip file, and the task in the address."""
    media = uploads.media(request)
    if media in ZIPS:
        if not task:
            told = "Name the task in the address: /batches?task=denoise."
            raise Refusal(422, "invalid", "A task is needed", told)
        images, options = request.stream(), _object(params)
    elif media == "application/json":
        body = await _body(request)
        images, task, method = body.image_ids, body.task, body.method
        options = body.params
    else:
        told = "Send JSON with image_ids, or a zip file as application/zip."
        raise Refusal(415, "no_batch", "That is no batch", told)
    batch = await service.add_batch(
        caller.owner, images, task, method=method, options=options
    )
    told = schemas.batch(batch, await service.batch_jobs(batch.id))
    return answers.created(told, f"{schemas.ROOT}/batches/{batch.id}", 202)


async def _body(request: Request) -> schemas.BatchRequest:
    """The JSON of a request, checked as FastAPI would."""
    from fastapi.exceptions import RequestValidationError
    from pydantic import ValidationError

    try:
        return schemas.BatchRequest.model_validate_json(await request.body())
    except ValidationError as error:
        found = [
            {**one, "loc": ("body", *one["loc"])}
            for one in error.errors(include_url=False, include_context=False)
        ]
        raise RequestValidationError(found) from error


def _object(text: str | None) -> dict[str, Any]:
    try:
        found = json.loads(text or "{}")
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        told = "params: it must be a JSON object."
        raise Refusal(422, "invalid", "A value cannot be used", told)
    return found


@router.get(
    "/batches/{id}",
    operation_id="get_batch",
    summary="How far a batch is",
    response_model=schemas.Batch,
    responses=problems.documented(401, 404, 410, 429),
)
async def batch(service: TheService, id: schemas.Id) -> Response:
    """Its jobs as they stand, and which files are left out."""
    return answers.json(await _told(service, id))


@router.delete(
    "/batches/{id}",
    operation_id="delete_batch",
    summary="Delete a batch",
    status_code=204,
    responses=problems.documented(401, 403, 404, 410, 429),
)
async def delete(service: TheService, id: schemas.Id) -> Response:
    """And its images, jobs and results."""
    await service.delete_batch(id)
    return Response(status_code=204)


@router.post(
    "/batches/{id}/cancel",
    operation_id="cancel_batch",
    summary="Cancel what has not ended of a batch",
    response_model=schemas.Batch,
    responses=problems.documented(401, 403, 404, 410, 429),
)
async def cancel(service: TheService, id: schemas.Id) -> Response:
    """What is done stays."""
    await service.cancel_batch(id)
    return answers.json(await _told(service, id))


@router.get(
    "/batches/{id}/result.zip",
    operation_id="get_batch_result",
    summary="What is done of a batch, as a zip file",
    response_class=Response,
    responses={
        200: answers.binary("With manifest.csv.", "application/zip"),
        **problems.documented(401, 404, 409, 410, 422, 429, 503, 507),
    },
)
async def result(
    service: TheService,
    id: schemas.Id,
    format: schemas.Format = "png",
    quality: Annotated[int | None, Query(ge=1, le=100)] = None,
) -> Response:
    """`manifest.csv` says of each file what became of it, and why."""
    parts = service.batch_zip(id, format, quality=quality)
    first = await anext(parts, b"")  # what is refused is refused before the answer
    named = downloads.disposition(f"batch-{id[:8]}.zip", attached=True)
    return StreamingResponse(
        _with(first, parts),
        headers={"content-disposition": named},
        media_type="application/zip",
    )


async def _with(first: bytes, parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for part in parts:
        yield part


async def _told(service: Service, id: str) -> schemas.Batch:
    return schemas.batch(await service.batch(id), await service.batch_jobs(id))
