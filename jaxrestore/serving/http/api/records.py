"""`/records`: how much was asked for, how long it took, how it ended; no pictures."""

import asyncio
import json
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from jaxrestore.serving.http import problems
from jaxrestore.serving.http.api import schemas
from jaxrestore.serving.refusals import Refusal

router = APIRouter(prefix=schemas.ROOT, tags=["records"])
Days = Annotated[int, Query(ge=1, le=366, description="Today and those before it.")]
Plot = Literal["times", "noise", "ratings"]
Group = Literal["task", "method", "model", "version", "size"]


@router.get(
    "/records/summary",
    operation_id="summarize_records",
    summary="What the records say",
    response_model=dict[str, Any],
    responses=problems.documented(401, 403, 404, 422, 429),
)
async def summary(
    request: Request,
    days: Days = 30,
    group: Annotated[list[Group] | None, Query(max_length=5)] = None,
) -> Response:
    """Tables: `days`, `speed`, `models`, `errors`, `refusals`, `quality`, `ratings`."""
    found = await asyncio.to_thread(_known(request), days, *([group] if group else []))
    return Response(json.dumps(found), media_type="application/json")


@router.get(
    "/records.csv",
    operation_id="export_records",
    summary="The records, a line a job",
    response_class=Response,
    responses={
        200: {"description": "UTF-8.", "content": {"text/csv": {}}},
        **problems.documented(401, 403, 404, 422, 429),
    },
)
async def csv(request: Request, days: Days = 30) -> Response:
    """Without ids, owners or names."""
    named = {"content-disposition": 'attachment; filename="records.csv"'}
    parts = _known(request).csv(days)
    return StreamingResponse(parts, headers=named, media_type="text/csv")


@router.get(
    "/records/plots/{name}.svg",
    operation_id="plot_records",
    summary="A plot of the records",
    response_class=Response,
    responses={
        200: {"description": "SVG.", "content": {"image/svg+xml": {}}},
        **problems.documented(401, 403, 404, 422, 429),
    },
)
async def plot(
    request: Request, name: Plot, days: Days = 30, dark: bool = False
) -> Response:
    """Times, noise before and after, or ratings; for pages of light or dark letters."""
    drawn = await asyncio.to_thread(_known(request).plot, name, days, dark=dark)
    return Response(drawn, media_type="image/svg+xml")


def _known(request: Request) -> Any:
    found = getattr(request.app.state, "records", None)
    if found is None:
        told = "This server was started without a database for records."
        raise Refusal(404, "no_records", "There are no records", told)
    return found
