"""`/jobs`: what is to be done to a picture, how far it is, and what came of it."""

import re
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response

from jaxrestore.serving import values
from jaxrestore.serving.http import downloads, idempotency, problems
from jaxrestore.serving.http.api import answers, schemas, waiting
from jaxrestore.serving.http.api.images import Key
from jaxrestore.serving.http.state import TheCaller, TheLife, TheService, TheSettings
from jaxrestore.serving.refusals import Refusal

router = APIRouter(prefix=schemas.ROOT, tags=["jobs"])
Prefer = Annotated[
    str | None,
    Header(
        description="wait=N: answer when it has ended, or after N seconds (RFC 7240).",
        openapi_examples={"wait": {"value": "wait=10"}},
    ),
]


@router.post(
    "/jobs",
    operation_id="create_job",
    summary="Have a picture restored",
    status_code=202,
    response_model=schemas.Job,
    responses={
        200: {"model": schemas.Job, "description": "It has ended meanwhile."},
        **problems.documented(
            400, 401, 403, 404, 408, 409, 410, 413, 415, 422, 429, 503, 507
        ),
    },
)
async def create(
    request: Request,
    service: TheService,
    settings: TheSettings,
    life: TheLife,
    caller: TheCaller,
    body: schemas.JobRequest,
    prefer: Prefer = None,
    key: Key = None,
) -> Response:
    """It waits in a queue; `events` tells how far it is."""
    asked = idempotency.of_values(body.model_dump())

    async def make() -> tuple[Response, str]:
        job = await service.add_job(
            caller.owner,
            body.image_id,
            body.task,
            method=body.method,
            options=body.params,
            mask_id=body.mask_id,
        )
        seconds = wait(prefer, settings.max_wait_s)
        if seconds:
            job = await waiting.waited(service, life, job.id, seconds)
        told = schemas.job(job)
        answer = answers.created(told, told.links.self, 200 if job.final else 202)
        if seconds:
            answer.headers["preference-applied"] = f"wait={seconds:g}"
        return answer, asked

    async def fingerprint() -> str:
        return asked

    place = (caller.owner, "jobs")
    return await request.app.state.answers.once(key, place, fingerprint, make)


def wait(prefer: str | None, most: float) -> float:
    """Returns the seconds that `Prefer: wait=N` asks for, up to `most`; else 0."""
    found = re.search(r"(?:^|[,;\s])wait\s*=\s*\"?(\d{1,6})", prefer or "", re.I)
    return min(float(found[1]), most) if found else 0.0


@router.get(
    "/jobs",
    operation_id="list_jobs",
    summary="Your jobs",
    response_model=schemas.Jobs,
    responses=problems.documented(401, 422, 429),
)
async def jobs(
    service: TheService,
    caller: TheCaller,
    status: values.Status | None = None,
    task: Annotated[str | None, Query(max_length=64)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=128)] = None,
) -> Response:
    """Those of this session or token, the last one first."""
    if not caller.listed:
        raise Refusal(
            401,
            "no_session",
            "Whose jobs is not known",
            "Jobs are listed for a browser's session or a token; others know theirs by "
            "their ids.",
        )
    found, more = await service.jobs(
        caller.owner, status=status, task=task, limit=limit, cursor=cursor
    )
    return answers.json(schemas.Jobs(jobs=[*map(schemas.job, found)], cursor=more))


@router.get(
    "/jobs/{id}",
    operation_id="get_job",
    summary="How far a job is",
    response_model=schemas.Job,
    responses=problems.documented(401, 404, 410, 429),
)
async def job(
    service: TheService,
    settings: TheSettings,
    life: TheLife,
    id: schemas.Id,
    prefer: Prefer = None,
) -> Response:
    """With `Prefer: wait=N` once it has ended, or after N seconds."""
    seconds = wait(prefer, settings.max_wait_s)
    if seconds:
        found = await waiting.waited(service, life, id, seconds)
    else:
        found = await service.job(id)
    return answers.json(schemas.job(found))


@router.delete(
    "/jobs/{id}",
    operation_id="delete_job",
    summary="Delete a job and its result",
    status_code=204,
    responses=problems.documented(401, 403, 404, 410, 429),
)
async def delete(service: TheService, id: schemas.Id) -> Response:
    """It is cancelled where it runs; what it took is kept, without pixels."""
    await service.delete_job(id)
    return Response(status_code=204)


@router.get(
    "/jobs/{id}/result",
    operation_id="get_result",
    summary="The restored picture",
    response_class=Response,
    responses={
        200: answers.files("The file, with its name and entity tag."),
        304: {"description": "You have it: `If-None-Match` says so."},
        **problems.documented(401, 404, 409, 410, 422, 429, 503, 507),
    },
)
async def result(
    request: Request,
    service: TheService,
    id: schemas.Id,
    format: schemas.Format = "png",
    quality: Annotated[int | None, Query(ge=1, le=100)] = None,
    bits: Annotated[
        int | None, Query(description="8, or 16 where the upload had more than 8.")
    ] = None,
    download: Annotated[bool, Query(description="To be saved, or shown.")] = True,
) -> Response:
    """As PNG, JPEG, WebP, TIFF or AVIF; 16 bit where the upload had more than 8."""
    found = await service.result(id, format, quality=quality, bits=bits)
    return downloads.file(request, found, attached=download)


@router.get(
    "/jobs/{id}/result/preview",
    operation_id="preview_result",
    summary="The restored picture as browsers show it",
    response_class=Response,
    responses={
        200: answers.pictures("Upright, in sRGB."),
        **problems.documented(401, 404, 409, 410, 422, 429, 503, 507),
    },
)
async def result_preview(
    service: TheService,
    id: schemas.Id,
    max: Annotated[int, Query(ge=16, le=16_383, description="px of a side.")] = 2048,
) -> Response:
    """At most so many pixels a side."""
    return downloads.picture(await service.result_preview(id, max))


@router.get(
    "/jobs/{id}/preview",
    operation_id="preview_job",
    summary="How far a fit is, as a picture",
    response_class=Response,
    responses={
        200: answers.pictures("The last picture of the fit, or its result."),
        **problems.documented(401, 404, 409, 410, 422, 429, 503, 507),
    },
)
async def preview(service: TheService, id: schemas.Id) -> Response:
    """For jobs of method `prior`; an event of the job says when there is a new one."""
    return downloads.picture(await service.job_preview(id))


@router.post(
    "/jobs/{id}/cancel",
    operation_id="cancel_job",
    summary="Cancel a job",
    response_model=schemas.Job,
    responses=problems.documented(401, 403, 404, 410, 429),
)
async def cancel(service: TheService, id: schemas.Id) -> Response:
    """One that has ended stays as it is."""
    return answers.json(schemas.job(await service.cancel(id)))


@router.post(
    "/jobs/{id}/stop",
    operation_id="stop_job",
    summary="Stop a fit, and keep its best picture",
    response_model=schemas.Job,
    responses=problems.documented(401, 403, 404, 409, 410, 429),
)
async def stop(service: TheService, id: schemas.Id) -> Response:
    """For jobs of method `prior` that run."""
    return answers.json(schemas.job(await service.finish(id)))


@router.post(
    "/jobs/{id}/feedback",
    operation_id="rate_job",
    summary="Say what you think of a result",
    status_code=204,
    responses=problems.documented(
        400, 401, 403, 404, 408, 409, 410, 413, 415, 422, 429
    ),
)
async def feedback(
    service: TheService, id: schemas.Id, body: schemas.Feedback
) -> Response:
    """1 or -1, and perhaps why; the last one counts."""
    await service.feedback(id, body.rating, body.reason)
    return Response(status_code=204)
