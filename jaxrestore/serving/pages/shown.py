"""What pages show of jobs: names, what belongs together, sizes."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from jaxrestore.serving import decoding
from jaxrestore.serving.pages import addresses, fields, words
from jaxrestore.serving.refusals import Refusal
from jaxrestore.serving.service import Service
from jaxrestore.serving.values import Image, Job, Status, TaskInfo

ORIGINAL = "original"


class Side(NamedTuple):
    """One of two pictures that are compared; `key` is what the address names it by."""

    key: str
    label: str
    address: str
    width: int
    height: int


def known(task: str, tasks: Sequence[TaskInfo]) -> TaskInfo | None:
    """Returns a task by its name, or None where the engine is away."""
    return next((one for one in tasks if one.name == task), None)


def label(task: str, tasks: Sequence[TaskInfo]) -> str:
    """Returns what people call a task, or its name where the engine is away."""
    found = known(task, tasks)
    return found.label if found else task


def title(job: Job, tasks: Sequence[TaskInfo]) -> str:
    """Returns what tells a job from others of its picture.

    Example: "Remove noise (fitted to this picture, level 25)".
    """
    task = known(job.task, tasks)
    said = [] if job.method == "network" else [words.METHODS[job.method].lower()]
    for option, value in job.options.items():
        name = fields.label(option, task)
        name = name[:1].lower() + name[1:]
        between = ": " if value is False else " "
        value = "" if value is True else f"{between}{fields.written(option, value)}"
        said.append(f"{name}{value}")
    name = task.label if task else job.task
    return f"{name} ({', '.join(said)})" if said else name


def notices(job: Job, image: Image) -> list[str]:
    """Returns what should be known of a finished job, as sentences."""
    said = []
    if job.numbers.get("went_bad"):
        said.append(f"{job.numbers['went_bad']} What you see is the best before that.")
    if job.numbers.get("confined") == 0 and image.format == "JPEG":
        said.append(
            "JPEG files that are turned, of inks or of RGB, or are converted to sRGB, "
            "are restored without the limits that they set."
        )
    elif job.numbers.get("confined") == 0 and job.options.get("confine"):
        said.append("The upload was no JPEG file: there was nothing to keep to.")
    return said


def lossless(pixels: int) -> bool:
    """Returns whether a picture of so many pixels is shown as PNG, or else as JPEG."""
    return pixels <= decoding.LOSSLESS_PIXELS


def size(job: Job, image: Image) -> tuple[int, int]:
    """Returns width and height of a job's result."""
    scale = job.options.get("scale", 1)
    scale = scale if isinstance(scale, int) else 1
    width = job.numbers.get("width", image.width * scale)
    return int(width), int(job.numbers.get("height", image.height * scale))


async def results(service: Service, owner: str, image_id: str) -> list[Job]:
    """Returns the finished jobs of one image, the last one first."""
    jobs, _ = await service.jobs(owner, status=Status.DONE, limit=50)
    return [job for job in jobs if job.image_id == image_id]


async def pair(service: Service, owner: str, a: str, b: str) -> dict[str, Any]:
    """Returns what the page that compares `a` and `b` shows: job ids, or `ORIGINAL`.

    Refused (422) are results of different pictures, and the original with itself.
    """
    keys = [key for key in (a, b) if key != ORIGINAL]
    jobs = {key: await service.job(key) for key in keys}
    if len({job.image_id for job in jobs.values()}) != 1:
        raise Refusal(
            422,
            "not_of_one_image",
            "These cannot be compared",
            "Two results of one picture can be compared, or one with the original.",
        )
    image = await service.image(jobs[keys[0]].image_id)
    found = await results(service, owner, image.id)
    jobs |= {job.id: job for job in found}
    for job in jobs.values():
        if job.status is not Status.DONE:
            detail = f"{words.standing(job)} It can be compared once it is done."
            raise Refusal(409, "not_done", "This result is not there", detail)
    tasks = service.tasks()
    sides = {ORIGINAL: _side(ORIGINAL, "Original", image.width, image.height, image.id)}
    for job in jobs.values():
        sides[job.id] = _side(job.id, title(job, tasks), *size(job, image))
    first, second = sides[a], sides[b]
    return {
        "a": first,
        "b": second,
        "width": max(first.width, second.width),
        "height": max(first.height, second.height),
        "choices": list(sides.values()),
        "lossless": lossless(max(one.width * one.height for one in (first, second))),
    }


def _side(key: str, label: str, width: int, height: int, image: str = "") -> Side:
    most = max(width, height)
    shown = addresses.original(image, most) if image else addresses.result(key, most)
    return Side(key, label, shown, width, height)
