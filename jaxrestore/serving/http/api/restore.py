"""`/restore`: a picture in, the restored one out, in one request."""

import asyncio
import json
from typing import Any, get_args

from fastapi import APIRouter, Request, Response
from starlette.background import BackgroundTask
from starlette.datastructures import FormData

from jaxrestore.serving import values
from jaxrestore.serving.http import downloads, problems, uploads
from jaxrestore.serving.http.api import answers, schemas
from jaxrestore.serving.http.lifetime import Lifetime
from jaxrestore.serving.http.state import TheCaller, TheLife, TheService
from jaxrestore.serving.refusals import Refusal
from jaxrestore.serving.service import Service

router = APIRouter(prefix=schemas.ROOT, tags=["restore"])
LONGEST = 60.0  # seconds
_LOOK = 0.5  # seconds between two looks at whether the client is there

_TEXT = {"type": "string"}
_FILE = {"type": "string", "format": "binary"}
_FORM = {
    "type": "object",
    "properties": {
        "file": {**_FILE, "description": "The picture."},
        "mask": {**_FILE, "description": "Where something is missing: white."},
        "task": {**_TEXT, "example": "denoise"},
        "method": {**_TEXT, "enum": [*values.METHODS]},
        "params": {**_TEXT, "description": "JSON.", "example": '{"strength": 0.8}'},
        "format": {**_TEXT, "enum": [*get_args(schemas.Format)]},
        "quality": {"type": "integer", "minimum": 1, "maximum": 100},
    },
    "required": ["file", "task"],
}


@router.post(
    "/restore",
    operation_id="restore",
    summary="Restore a picture at once",
    response_class=Response,
    responses={
        200: answers.files("The restored picture; nothing of it is kept."),
        202: {"model": schemas.Job, "description": "It takes longer; follow the job."},
        **problems.documented(
            400, 401, 403, 404, 408, 409, 410, 413, 415, 422, 429, 500, 503, 504, 507
        ),
    },
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {uploads.FORM: {"schema": _FORM}},
        }
    },
)
async def restore(
    request: Request, service: TheService, life: TheLife, caller: TheCaller
) -> Response:
    """`curl -F file=@in.png -F task=denoise …/restore -o out.png`: waits up to 60 s."""
    if uploads.media(request) != uploads.FORM:
        told = "Send a form (multipart/form-data) with a part file, and a field task."
        raise Refusal(415, "no_form", "That is no form", told)
    async with uploads.form(request, files=2) as form:
        asked = _asked(form)
        upload = uploads.part(form, "file")
        image = await service.add_image(caller.owner, upload.chunks, upload.name)
        try:
            mask = None
            if "mask" in form:
                chunks = uploads.part(form, "mask").chunks
                mask = await service.add_mask(caller.owner, image.id, chunks)
            job = await service.add_job(
                caller.owner,
                image.id,
                asked["task"],
                method=asked["method"],
                options=asked["params"],
                mask_id=mask,
            )
        except BaseException:
            await service.delete_image(image.id)
            raise
    job = await _waited(request, service, life, job)
    return await _ended(request, service, job, asked)


async def _ended(
    request: Request, service: Service, job: values.Job, asked: dict[str, Any]
) -> Response:
    """What came of a job: its file, why there is none, or that it goes on."""
    forget = BackgroundTask(service.delete_image, job.image_id)
    if job.status is values.Status.DONE:
        try:
            found = await service.result(
                job.id, asked["format"], quality=asked["quality"]
            )
        except Refusal:
            await service.delete_image(job.image_id)
            raise
        return downloads.file(request, found, background=forget)
    if job.final:
        refusal = failed(job)
        await service.delete_image(job.image_id)
        raise refusal
    told = schemas.job(job)
    return answers.created(told, told.links.self, 202)


async def _waited(
    request: Request, service: Service, life: Lifetime, job: values.Job
) -> values.Job:
    """Waits for a job; one that nobody waits for any more is cancelled.

    Raises `Refusal` (503) where the server ends before the job is begun: who asks again
    may be answered by another server.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + LONGEST
    while not job.final and (left := end - loop.time()) > 0:
        job = await service.wait(job.id, min(_LOOK, left))
        waits = job.status is values.Status.QUEUED
        if life.ending.is_set() or (life.draining and waits and not job.started):
            await service.delete_image(job.image_id)
            raise problems.ends()
        if not job.final and await request.is_disconnected():
            await service.delete_image(job.image_id)
            break
    return job


def failed(job: values.Job) -> Refusal:
    """Returns as a refusal why a job did not end well."""
    code, told = job.code or job.status.value, job.detail or "It did not end well."
    status = {values.Status.CANCELLED: 409, values.Status.EXPIRED: 504}.get(job.status)
    if status is None:
        ours = code.startswith(("engine", "server", "device"))
        status = 503 if ours else 422
    later = 5.0 if status == 503 else None
    return Refusal(status, code, "The job failed", told, retry_after=later)


_FIELDS = {"task", "method", "params", "format", "quality"}


def _asked(form: FormData) -> dict[str, Any]:
    """What the fields of the form ask for, checked."""
    said = {name: value for name, value in form.items() if isinstance(value, str)}
    if unknown := said.keys() - _FIELDS:
        told = "there is no such field; options go into params, as a JSON object"
        raise _unusable(min(unknown), told)
    if not said.get("task"):
        raise _unusable("task", "name one, as /tasks lists them")
    try:
        params = json.loads(said.get("params") or "{}")
    except (ValueError, RecursionError):
        params = None
    if not isinstance(params, dict):
        raise _unusable("params", 'it must be a JSON object, such as {"strength": 1}')
    format, kinds = said.get("format") or "png", get_args(schemas.Format)
    if format not in kinds:
        raise _unusable("format", f"it is one of {', '.join(kinds)}")
    quality = said.get("quality") or None
    if quality is not None and not (quality.isdecimal() and 1 <= int(quality) <= 100):
        raise _unusable("quality", "it is a whole number from 1 to 100")
    method = said.get("method") or None
    if method is not None and method not in values.METHODS:
        raise _unusable("method", f"it is one of {', '.join(values.METHODS)}")
    return {
        "task": said["task"][:64],
        "method": method,
        "params": params,
        "format": format,
        "quality": None if quality is None else int(quality),
    }


def _unusable(name: str, why: str) -> Refusal:
    return Refusal(422, "invalid", "A value cannot be used", f"{name}: {why}.")
