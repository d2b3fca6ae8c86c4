"""What OpenAPI says of the app beyond what FastAPI finds in its routes."""

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI

from jaxrestore.serving.http import problems
from jaxrestore.serving.http.api.schemas import BatchRequest

# What the guards may answer to any request, and to one with a body.
_ANY = problems.documented(400, 414, 429, 431)
_WRITING = {**_ANY, **problems.documented(403, 408, 413, 415, 503)}
_INVALID = problems.documented(422)

# Which operations take the id that an answer has: by operation, its status, and them.
_LINKS = {
    "upload_image": (
        201,
        ("get_image", "preview_image", "upload_mask", "delete_image"),
    ),
    "create_job": (
        202,
        (
            "get_job",
            "follow_job",
            "get_result",
            "preview_result",
            "preview_job",
            "cancel_job",
            "stop_job",
            "rate_job",
            "delete_job",
        ),
    ),
    "create_batch": (
        202,
        (
            "get_batch",
            "follow_batch",
            "get_batch_result",
            "cancel_batch",
            "delete_batch",
        ),
    ),
}
_BODIES = {
    "create_job": {"image_id": "$response.body#/id", "task": "denoise"},
    "create_batch": {"image_ids": ["$response.body#/id"], "task": "denoise"},
}


def install(app: FastAPI) -> None:
    """Has the app describe itself wholly at `/openapi.json`."""
    describe: Callable[[], dict[str, Any]] = app.openapi

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = whole(describe())
        return app.openapi_schema

    app.openapi = described  # type: ignore[method-assign]


def whole(schema: dict[str, Any]) -> dict[str, Any]:
    """Returns FastAPI's description with all answers that are problems, and links."""
    shapes = schema.setdefault("components", {}).setdefault("schemas", {})
    for shape in (problems.Problem, BatchRequest):
        shapes[shape.__name__] = shape.model_json_schema()
    for name in ("HTTPValidationError", "ValidationError"):
        shapes.pop(name, None)
    for path in schema["paths"].values():
        for method, operation in path.items():
            answers = operation["responses"]
            if "422" in answers:  # FastAPI's own shape otherwise
                answers |= _text(_INVALID)
            answers |= {**_text(_WRITING if method == "post" else _ANY), **answers}
            _link(operation["operationId"], answers)
    return schema


def _text(answers: dict[int | str, dict[str, Any]]) -> dict[str, Any]:
    return {str(status): told for status, told in answers.items()}


def _link(name: str, answers: dict[str, Any]) -> None:
    """Says with which operations the id goes on that an answer has."""
    status, others = _LINKS.get(name, (0, ()))
    if not others:
        return
    links: dict[str, Any] = {
        other: {"operationId": other, "parameters": {"id": "$response.body#/id"}}
        for other in others
    }
    if name == "upload_image":
        for other, body in _BODIES.items():
            links[other] = {"operationId": other, "requestBody": body}
    answers[str(status)]["links"] = links
