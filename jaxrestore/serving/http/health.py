"""`/healthz`, `/readyz`, `/metrics`: for what watches a server and sends it work."""

from fastapi import APIRouter, Request, Response

from jaxrestore.serving.http import problems
from jaxrestore.serving.http.api import answers, schemas
from jaxrestore.serving.http.state import TheLife, TheService
from jaxrestore.serving.refusals import Refusal

_LIST = {"schema": {"type": "string"}}
router = APIRouter(tags=["server"])


@router.get(
    "/healthz",
    operation_id="is_alive",
    summary="Whether the process is alive",
    response_model=schemas.Health,
)
async def healthz() -> Response:
    """It answers; the engine is not asked."""
    return answers.json(schemas.Health(ok=True, reasons=[]))


@router.get(
    "/readyz",
    operation_id="is_ready",
    summary="Whether jobs are taken and done",
    response_model=schemas.Health,
    responses=problems.documented(503),
)
async def readyz(service: TheService, life: TheLife) -> Response:
    """503 until every network is compiled, without an engine, and before the end."""
    ok, reasons = service.ready()
    if life.draining:
        ok, reasons = False, ["The server is about to restart.", *reasons]
    if not ok:
        told = " ".join(reasons) or "The engine is not ready."
        raise Refusal(503, "not_ready", "Not ready", told, retry_after=5.0)
    return answers.json(schemas.Health(ok=True, reasons=[]))


@router.get(
    "/metrics",
    operation_id="get_metrics",
    summary="Counts and levels, for Prometheus",
    response_class=Response,
    responses={
        200: {
            "description": "As Prometheus reads it.",
            "content": {"text/plain": _LIST},
        },
        **problems.documented(401, 403, 429),
    },
)
async def metrics(request: Request, service: TheService, life: TheLife) -> Response:
    """Without ids, clients or names."""
    content, media = request.app.state.metrics.page(
        service.gauges(),
        service.engine.status,
        streams=life.streams.total(),
    )
    return Response(content, media_type=media)
