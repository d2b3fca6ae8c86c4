"""`/tasks` and `/version`: what this server can do, and what it is made of."""

import importlib.metadata
import platform

from fastapi import APIRouter, Response

from jaxrestore import __version__
from jaxrestore.serving.http import problems
from jaxrestore.serving.http.api import answers, schemas
from jaxrestore.serving.http.state import TheService, TheSettings
from jaxrestore.serving.settings import Settings

router = APIRouter(tags=["server"])
_LIMITS = (
    "max_bytes",
    "max_pixels",
    "max_side",
    "min_side",
    "max_aspect",
    "max_result_pixels",
    "max_fit_pixels",
    "max_batch_images",
    "max_batch_bytes",
    "owner_jobs",
    "owner_uploads",
    "owner_streams",
    "kept_s",
    "max_wait_s",
)


@router.get(
    f"{schemas.ROOT}/tasks",
    operation_id="list_tasks",
    summary="What can be done to a picture",
    response_model=schemas.Tasks,
    responses=problems.documented(401, 429),
)
async def tasks(service: TheService, settings: TheSettings) -> Response:
    """With which networks and methods, their parameters, and the limits of uploads."""
    known = [schemas.task(one) for one in service.tasks()]
    return answers.json(schemas.Tasks(tasks=known, limits=limits(settings)))


def limits(settings: Settings) -> dict[str, int | float]:
    """Returns the limits that clients should know, by name: bytes, px, seconds."""
    return {name: getattr(settings, name) for name in _LIMITS}


@router.get("/version", include_in_schema=False)
@router.get(
    f"{schemas.ROOT}/version",
    operation_id="get_version",
    summary="What runs here",
    response_model=schemas.Version,
    responses=problems.documented(401, 429),
)
async def version(service: TheService) -> Response:
    """Versions, the device, and the SHA-256 of each network's weights."""
    known = [network for task in service.tasks() for network in task.networks]
    models = {network.name: network.sha256 for network in known}
    return answers.json(
        schemas.Version(
            jaxrestore=__version__,
            jax=_version("jax"),
            python=platform.python_version(),
            device=service.engine.status.device,
            models=models,
        )
    )


def _version(package: str) -> str | None:
    """Of a package that is installed, without loading it."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
