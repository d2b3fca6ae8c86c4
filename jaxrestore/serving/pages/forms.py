"""What browsers send with forms, and what is asked for by it."""

from collections.abc import AsyncIterator
from typing import Any

from starlette.datastructures import FormData, UploadFile

from jaxrestore.serving.pages import fields
from jaxrestore.serving.refusals import Refusal
from jaxrestore.serving.service import Service
from jaxrestore.serving.values import Image, TaskInfo

_CHUNK = 2**18
# All formats that are read. Safari makes of HEIC, which is not, the first of them.
ACCEPTED = "image/jpeg,image/png,image/webp,image/tiff,image/bmp,image/gif,image/avif"


def files(form: FormData, *names: str) -> list[UploadFile]:
    """Returns the files of a form's fields, those that somebody chose."""
    chosen = [one for name in names for one in form.getlist(name)]
    return [one for one in chosen if isinstance(one, UploadFile) and one.filename]


def one_file(form: FormData, *names: str) -> UploadFile:
    """Returns the file of the first field that has one; refused (422) is none."""
    chosen = files(form, *names)
    if not chosen:
        raise Refusal(
            422,
            "no_file",
            "No picture was chosen",
            "Choose a picture first, then upload it.",
        )
    return chosen[0]


async def chunks(file: UploadFile) -> AsyncIterator[bytes]:
    """Yields what is in a file of a form."""
    while part := await file.read(_CHUNK):
        yield part


def stem(file: UploadFile) -> str | None:
    """Returns the name of a file without folders and suffix, or None."""
    name = (file.filename or "").replace("\\", "/").rsplit("/", 1)[-1]
    return name.rsplit(".", 1)[0] or None


def task(service: Service, form: FormData) -> TaskInfo:
    """Returns the task that was chosen; refused are none (422) and an unknown one."""
    name = form.get("task")
    for known in service.tasks():
        if known.name == name:
            return known
    raise Refusal(
        422,
        "no_task",
        "Nothing was chosen",
        "Choose what should be done with the picture.",
    )


def method(task: TaskInfo, form: FormData) -> str | None:
    """Returns by what method the task shall be done; None where none was chosen."""
    chosen = form.get(f"{task.name}.method")
    return chosen if isinstance(chosen, str) and chosen else None


def options(
    task: TaskInfo, form: FormData, image: Image | None = None
) -> dict[str, Any]:
    """Returns the options of the chosen task that the chosen method takes.

    Without those that do nothing for the `image`, where there is one already.
    """
    return fields.options(task, form, method(task, form), image)


async def mask(
    service: Service, owner: str, image_id: str, task: TaskInfo, form: FormData
) -> str | None:
    """Returns the id of the mask that was sent, where the task needs one.

    Refused (422) is none.
    """
    if not task.needs_mask:
        return None
    chosen = files(form, "mask")
    if not chosen:
        raise Refusal(
            422,
            "no_mask",
            "It is not said what is missing",
            "Paint over what should be filled in, or choose a mask file of the size of "
            "the picture, white where it is missing.",
        )
    return await service.add_mask(owner, image_id, chunks(chosen[0]))
