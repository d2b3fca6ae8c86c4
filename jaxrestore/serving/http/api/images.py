"""`/images`: pictures in, shown, deleted; and masks of them."""

from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response

from jaxrestore.serving.http import downloads, idempotency, problems, uploads
from jaxrestore.serving.http.api import answers, schemas
from jaxrestore.serving.http.state import TheCaller, TheService

router = APIRouter(prefix=schemas.ROOT, tags=["images"])
Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        description="Sent again with the same key, it is done once.",
    ),
]
Name = Annotated[
    str | None,
    Query(max_length=255, description="What the file is called, for downloads."),
]


@router.post(
    "/images",
    operation_id="upload_image",
    summary="Upload a picture",
    status_code=201,
    response_model=schemas.Image,
    responses=problems.documented(
        400, 401, 403, 408, 409, 413, 415, 422, 429, 503, 507
    ),
    openapi_extra=uploads.described(),
)
async def upload(
    request: Request,
    service: TheService,
    caller: TheCaller,
    name: Name = None,
    key: Key = None,
) -> Response:
    """The body is the file, or a form with it as `file`; content is what counts."""

    async def make() -> tuple[Response, str]:
        async with uploads.one(request, name) as upload:
            image = await service.add_image(caller.owner, upload.chunks, upload.name)
        place = f"{schemas.ROOT}/images/{image.id}"
        return answers.created(schemas.image(image), place), image.sha256

    async def fingerprint() -> str:
        async with uploads.one(request, name) as upload:
            return await idempotency.of_chunks(upload.chunks)

    place = (caller.owner, "images")
    return await request.app.state.answers.once(key, place, fingerprint, make)


@router.get(
    "/images/{id}",
    operation_id="get_image",
    summary="What is known of a picture",
    response_model=schemas.Image,
    responses=problems.documented(401, 404, 410, 429),
)
async def image(service: TheService, id: schemas.Id) -> Response:
    """Its size, format and times; not the picture itself."""
    return answers.json(schemas.image(await service.image(id)))


@router.delete(
    "/images/{id}",
    operation_id="delete_image",
    summary="Delete a picture",
    status_code=204,
    responses=problems.documented(401, 403, 404, 410, 429),
)
async def delete(service: TheService, id: schemas.Id) -> Response:
    """And its masks, jobs and results; what runs is cancelled."""
    await service.delete_image(id)
    return Response(status_code=204)


@router.get(
    "/images/{id}/preview",
    operation_id="preview_image",
    summary="A picture as browsers show it",
    response_class=Response,
    responses={
        200: answers.pictures("Upright, in sRGB."),
        **problems.documented(401, 404, 410, 422, 429, 503),
    },
)
async def preview(
    service: TheService,
    id: schemas.Id,
    max: Annotated[int, Query(ge=16, le=16_383, description="px of a side.")] = 2048,
) -> Response:
    """PNG or JPEG, at most so many pixels a side."""
    return downloads.picture(await service.preview(id, max))


@router.post(
    "/images/{id}/masks",
    operation_id="upload_mask",
    summary="Say what is missing of a picture",
    status_code=201,
    response_model=schemas.Mask,
    responses=problems.documented(
        400, 401, 403, 404, 408, 410, 413, 415, 422, 429, 503, 507
    ),
    openapi_extra=uploads.described(),
)
async def mask(
    request: Request, service: TheService, caller: TheCaller, id: schemas.Id
) -> Response:
    """A picture of the same size, white where something is missing."""
    async with uploads.one(request) as upload:
        made = await service.add_mask(caller.owner, id, upload.chunks)
    place = f"{schemas.ROOT}/images/{id}/masks/{made}"
    return answers.created(schemas.Mask(id=made, image_id=id), place)
