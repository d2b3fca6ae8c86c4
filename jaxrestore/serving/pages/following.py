"""The pages of jobs and batches: where they stand, what came of them, what next."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.sse import EventSourceResponse
from starlette.responses import HTMLResponse

from jaxrestore.serving import archives
from jaxrestore.serving.pages import addresses, forms, shown
from jaxrestore.serving.pages.routes import of, on, settings
from jaxrestore.serving.pages.templating import page, text
from jaxrestore.serving.refusals import Refusal
from jaxrestore.serving.values import Image, Job, Status

router = APIRouter(include_in_schema=False)


async def _known(request: Request, job_id: str) -> Job:
    return await of(request)[0].job(job_id)


TheJob = Annotated[Job, Depends(_known)]


@router.get("/jobs/{job_id}")
async def job_page(request: Request, job: TheJob, rated: str = "") -> Response:
    """Where a job stands; once it is done, its picture and numbers."""
    return await _job(request, job, rated, None)


@router.get("/jobs/{job_id}/standing")
async def standing(job: TheJob) -> Response:
    """What changes on the page of a job."""
    return HTMLResponse(_standing(job))


@router.get("/jobs/{job_id}/live", response_class=EventSourceResponse)
async def live(request: Request, job: TheJob) -> AsyncIterator[str]:
    """What changes on the page of a job, at each change."""
    async for now in of(request)[0].events(job.id):
        yield _standing(now)


@router.post("/jobs/{job_id}/cancel")
async def cancel(request: Request, job: TheJob) -> Response:
    """Ends a job."""
    await of(request)[0].cancel(job.id)
    return on(f"/jobs/{job.id}")


@router.post("/jobs/{job_id}/stop")
async def stop(request: Request, job: TheJob) -> Response:
    """Ends a fit, and keeps its best picture."""
    service, _ = of(request)
    try:
        await service.finish(job.id)
    except Refusal as refusal:
        if refusal.status != 409:
            raise
        return await _job(request, await service.job(job.id), "", refusal)
    return on(f"/jobs/{job.id}")


@router.post("/jobs/{job_id}/feedback")
async def feedback(request: Request, job: TheJob) -> Response:
    """Notes what somebody thinks of a result."""
    async with request.form(max_files=0, max_fields=4) as form:
        rating = 1 if form.get("rating") == "1" else -1
    await of(request)[0].feedback(job.id, rating)
    return on(f"/jobs/{job.id}?rated={rating}")


@router.post("/jobs/{job_id}/delete")
async def delete(request: Request, job: TheJob) -> Response:
    """Deletes a result, and leads back to its picture."""
    await of(request)[0].delete_job(job.id)
    return on(f"/edit/{job.image_id}")


@router.get("/batch")
async def batch_start(request: Request) -> Response:
    """Choose many pictures."""
    return _batch_start(request, None, None)


@router.post("/batch")
async def batch_upload(request: Request) -> Response:
    """Takes many pictures or a zip file, and leads to where they stand."""
    service, owner = of(request)
    chosen = None
    most = settings(request).max_batch_images
    try:
        async with request.form(max_files=most + 1, max_fields=200) as form:
            task = forms.task(service, form)
            chosen = task.name
            forms.one_file(form, "file")
            batch = await service.add_batch(
                owner,
                await _pictures(forms.files(form, "file")),
                task.name,
                method=forms.method(task, form),
                options=forms.options(task, form),
            )
    except Refusal as refusal:
        return _batch_start(request, chosen, refusal)
    return on(f"/batch/{batch.id}")


@router.get("/batch/{batch_id}")
async def batch_page(request: Request, batch_id: str) -> Response:
    """Where the pictures of a batch stand."""
    return page(request, "batch_status.html", await _batch(request, batch_id))


@router.get("/batch/{batch_id}/standing")
async def batch_standing(request: Request, batch_id: str) -> Response:
    """What changes on the page of a batch."""
    return HTMLResponse(text("_batch.html", await _batch(request, batch_id)))


@router.post("/batch/{batch_id}/cancel")
async def batch_cancel(request: Request, batch_id: str) -> Response:
    """Cancels what is left of a batch."""
    await of(request)[0].cancel_batch(batch_id)
    return on(f"/batch/{batch_id}")


@router.post("/batch/{batch_id}/delete")
async def batch_delete(request: Request, batch_id: str) -> Response:
    """Deletes a batch with all of its pictures."""
    await of(request)[0].delete_batch(batch_id)
    return on("/batch")


def _standing(job: Job) -> str:
    return text("_standing.html", {"job": job})


async def _job(
    request: Request, job: Job, rated: str, problem: Refusal | None
) -> Response:
    service, owner = of(request)
    tasks = service.tasks()
    image = await _image(request, job)
    context: dict[str, Any] = {
        "job": job,
        "image": image,
        "title": shown.title(job, tasks),
        "rated": rated,
        "problem": problem,
        "others": [],
        "titles": {},
    }
    if job.status is Status.DONE and image is not None:
        width, height = shown.size(job, image)
        others = await shown.results(service, owner, image.id)
        others = [other for other in others if other.id != job.id]
        context |= {
            "width": width,
            "height": height,
            "original": addresses.original(image.id, max(image.width, image.height)),
            "result": addresses.result(job.id, max(width, height)),
            "lossless": shown.lossless(width * height),
            "notices": shown.notices(job, image),
            "downloads": addresses.downloads(job.id, image),
            "task": shown.known(job.task, tasks),
            "others": others,
            "titles": {other.id: shown.title(other, tasks) for other in others},
        }
    return page(request, "job.html", context, problem.status if problem else 200)


async def _image(request: Request, job: Job) -> Image | None:
    """The picture of a job, or None once it is deleted."""
    try:
        return await of(request)[0].image(job.image_id)
    except Refusal:
        return None


async def _pictures(files: list[Any]) -> AsyncIterator[bytes]:
    """What a batch is made of: a zip file as it comes, or one of the pictures.

    So all are counted as one upload, and one that is no picture is left out by name.
    """
    zips = [file for file in files if await _is_zip(file)]
    if not zips:
        return _packed(files)
    if len(files) > 1:
        raise Refusal(
            422,
            "one_zip",
            "One zip, or pictures",
            "Choose one zip file alone, or any number of pictures.",
        )
    return forms.chunks(zips[0])


async def _packed(files: list[Any]) -> AsyncIterator[bytes]:
    packing = archives.Packing()
    for file in files:
        yield packing.put(packing.free(file.filename), await file.read())
    yield packing.end()


async def _is_zip(file: Any) -> bool:
    begin = await file.read(4)
    await file.seek(0)
    return begin == b"PK\x03\x04"


def _batch_start(
    request: Request, chosen: str | None, problem: Refusal | None
) -> Response:
    tasks = [task for task in of(request)[0].tasks() if not task.needs_mask]
    able = [task.name for task in tasks if task.methods]
    context = {
        "settings": settings(request),
        "tasks": tasks,
        "chosen": chosen if chosen in able else next(iter(able), None),
        "problem": problem,
        "accepted": forms.ACCEPTED,
    }
    return page(request, "batch.html", context, problem.status if problem else 200)


async def _batch(request: Request, batch_id: str) -> dict[str, Any]:
    service, _ = of(request)
    batch = await service.batch(batch_id)
    jobs = await service.batch_jobs(batch_id)
    images = [await _image(request, job) for job in jobs]
    rows = [
        {"name": image.stem if image else f"Picture {number}", "job": job, "why": ""}
        for number, (job, image) in enumerate(zip(jobs, images, strict=True), 1)
    ]
    rows += [
        {"name": name, "job": None, "why": why} for name, why in batch.skipped.items()
    ]
    done = sum(job.status is Status.DONE for job in jobs)
    ended = sum(job.final for job in jobs)
    return {
        "batch": batch,
        "title": shown.label(batch.task, service.tasks()),
        "rows": rows,
        "done": done,
        "ended": ended + len(batch.skipped),
        "failed": ended - done + len(batch.skipped),
        "final": ended == len(jobs),
    }
