"""Answers of the API, and what OpenAPI says of those that are no JSON."""

from typing import Any

import pydantic
from fastapi import Response

_BINARY = {"schema": {"type": "string", "format": "binary"}}


def json(
    body: pydantic.BaseModel, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    """Returns an answer with a body of JSON."""
    return Response(body.model_dump_json(), status, headers, "application/json")


def created(body: pydantic.BaseModel, place: str, status: int = 201) -> Response:
    """Returns the answer that something was made, and where it is."""
    return json(body, status, {"location": place})


def pictures(description: str) -> dict[str, Any]:
    """Returns what OpenAPI says of an answer that is a picture to be shown."""
    return binary(description, "image/png", "image/jpeg")


def files(description: str) -> dict[str, Any]:
    """Returns what OpenAPI says of an answer that is the file of a result."""
    kinds = ("png", "jpeg", "webp", "tiff", "avif")
    return binary(description, *(f"image/{kind}" for kind in kinds))


def binary(description: str, *types: str) -> dict[str, Any]:
    """Returns what OpenAPI says of an answer in one of some media types."""
    return {"description": description, "content": {kind: _BINARY for kind in types}}
