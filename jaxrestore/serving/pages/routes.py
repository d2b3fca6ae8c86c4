"""The pages: forms that a browser without scripts can use; a post leads on by a 303."""

from urllib.parse import quote

from fastapi import APIRouter, Request, Response
from starlette.responses import RedirectResponse

from jaxrestore.serving import quarantine
from jaxrestore.serving.http import sessions
from jaxrestore.serving.pages import forms, shown
from jaxrestore.serving.pages.templating import page
from jaxrestore.serving.refusals import Refusal
from jaxrestore.serving.service import Service
from jaxrestore.serving.settings import Settings

router = APIRouter(include_in_schema=False)


def error_page(request: Request, refusal: Refusal) -> Response:
    """Returns the page that says why something is not done."""
    context = {"problem": refusal}
    return page(request, "error.html", context, refusal.status)


@router.get("/")
async def start(request: Request) -> Response:
    """The first page: choose a picture."""
    return _start(request, None)


@router.post("/")
async def upload(request: Request) -> Response:
    """Takes a picture, and leads to what can be done with it."""
    service, owner = of(request)
    try:
        async with request.form(max_files=2, max_fields=4) as form:
            file = forms.one_file(form, "file", "camera")
            chunks = forms.chunks(file)
            image = await service.add_image(owner, chunks, forms.stem(file))
    except Refusal as refusal:
        return _start(request, refusal)
    return on(f"/edit/{image.id}")


@router.get("/edit/{image_id}")
async def edit(request: Request, image_id: str, task: str | None = None) -> Response:
    """What can be done with a picture."""
    return await _edit(request, image_id, task, None)


@router.post("/edit/{image_id}")
async def restore(request: Request, image_id: str) -> Response:
    """Takes what was chosen, and leads to the job."""
    service, owner = of(request)
    chosen = None
    try:
        async with request.form(max_files=1, max_fields=200) as form:
            task = forms.task(service, form)
            chosen = task.name
            image = await service.image(image_id)
            job = await service.add_job(
                owner,
                image_id,
                task.name,
                method=forms.method(task, form),
                options=forms.options(task, form, image),
                mask_id=await forms.mask(service, owner, image_id, task, form),
                source="web",
            )
    except Refusal as refusal:
        if refusal.status in (404, 410):
            raise
        return await _edit(request, image_id, chosen, refusal)
    return on(f"/jobs/{job.id}")


@router.post("/images/{image_id}/delete")
async def delete_image(request: Request, image_id: str) -> Response:
    """Deletes a picture and all that was made of it."""
    await of(request)[0].delete_image(image_id)
    return on("/?deleted=1")


@router.get("/compare")
async def compare(request: Request, a: str, b: str) -> Response:
    """Two results of one picture, or a result and the original."""
    service, owner = of(request)
    return page(request, "compare.html", await shown.pair(service, owner, a, b))


@router.get("/history")
async def history(request: Request, cursor: str | None = None) -> Response:
    """What this browser asked for."""
    service, owner = of(request)
    jobs, more = await service.jobs(owner, limit=30, cursor=cursor)
    tasks = service.tasks()
    rows = [{"job": job, "title": shown.title(job, tasks)} for job in jobs]
    context = {"rows": rows, "cursor": more and quote(more)}
    return page(request, "history.html", {**context, "settings": settings(request)})


@router.get("/privacy")
async def privacy(request: Request) -> Response:
    """What is kept, and for how long."""
    lives = {"cookie_s": sessions.LIFE, "quarantine_s": quarantine.KEPT_S}
    context = {"settings": settings(request), **lives}
    return page(request, "privacy.html", context)


def of(request: Request) -> tuple[Service, str]:
    """Returns the service, and who asks."""
    return request.app.state.service, request.state.owner


def settings(request: Request) -> Settings:
    """Returns the settings."""
    return request.app.state.settings


def on(place: str) -> Response:
    """Returns what leads a browser on after a form."""
    return RedirectResponse(place, 303)


def _start(request: Request, problem: Refusal | None) -> Response:
    context = {
        "problem": problem,
        "settings": settings(request),
        "tasks": of(request)[0].tasks(),
        "accepted": forms.ACCEPTED,
        "deleted": "deleted" in request.query_params,
    }
    return page(request, "index.html", context, problem.status if problem else 200)


async def _edit(
    request: Request, image_id: str, chosen: str | None, problem: Refusal | None
) -> Response:
    service, owner = of(request)
    image = await service.image(image_id)
    tasks = service.tasks()
    others = await shown.results(service, owner, image_id)
    able = [task.name for task in tasks if task.methods]
    context = {
        "image": image,
        "tasks": tasks,
        "chosen": chosen if chosen in able else next(iter(able), None),
        "problem": problem,
        "accepted": forms.ACCEPTED,
        "others": others,
        "titles": {job.id: shown.title(job, tasks) for job in others},
    }
    return page(request, "edit.html", context, problem.status if problem else 200)
