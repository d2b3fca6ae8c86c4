"""Everything that goes wrong, as whoever asks is told: RFC 9457, problem details."""

import http
import json
import math
from collections.abc import Callable, Iterable
from typing import Any

import pydantic
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Match
from starlette.types import Scope

from jaxrestore import errors
from jaxrestore.serving.refusals import Refusal

MEDIA = "application/problem+json"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")

# A page for people in place of a problem, where they look at pages.
ErrorPage = Callable[[Request, Refusal], Response]


class Problem(pydantic.BaseModel):
    """What went wrong (RFC 9457): `detail` for people, `code` for programs."""

    type: str = pydantic.Field(examples=["urn:jaxrestore:problem:no_image"])
    title: str = pydantic.Field(examples=["There is no such image"])
    status: int = pydantic.Field(examples=[404])
    detail: str = pydantic.Field(
        examples=["There is no image with this id; it may have been deleted."]
    )
    code: str = pydantic.Field(examples=["no_image"])
    limit: float | None = pydantic.Field(None, description="The number passed.")
    retry_after: int | None = pydantic.Field(None, description="Seconds.")


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Returns what FastAPI writes into OpenAPI of these answers, all `Problem`s."""
    reference = {"schema": {"$ref": "#/components/schemas/Problem"}}
    return {
        status: {
            "description": http.HTTPStatus(status).phrase,
            "content": {MEDIA: reference},
        }
        for status in statuses
    }


def fields(refusal: Refusal) -> dict[str, Any]:
    """Returns the members of the problem that a refusal is; times are whole seconds."""
    members = {
        "type": f"urn:jaxrestore:problem:{refusal.code}",
        "title": refusal.title,
        "status": refusal.status,
        "detail": refusal.detail,
        "code": refusal.code,
    }
    if refusal.limit is not None:
        whole = refusal.limit == int(refusal.limit)
        members["limit"] = int(refusal.limit) if whole else refusal.limit
    if refusal.retry_after is not None:
        members["retry_after"] = math.ceil(refusal.retry_after)
    return members


def headers(refusal: Refusal) -> dict[str, str]:
    """Returns the headers that go with a refusal."""
    more = {}
    if refusal.retry_after is not None:
        more["retry-after"] = str(math.ceil(refusal.retry_after))
    if refusal.status == 401:
        more["www-authenticate"] = 'Bearer realm="jaxrestore"'
    return more


def answer(refusal: Refusal, more: dict[str, str] | None = None) -> Response:
    """Returns a refusal as an answer of media type `application/problem+json`."""
    return Response(
        json.dumps(fields(refusal)),
        refusal.status,
        {**headers(refusal), **(more or {})},
        MEDIA,
    )


def install(app: FastAPI) -> None:
    """Has the app answer every error as a problem, FastAPI's and Starlette's too."""
    app.add_exception_handler(errors.UserError, _user_error)
    app.add_exception_handler(HTTPException, _http_exception)
    app.add_exception_handler(RequestValidationError, _invalid)


def of_error(error: errors.UserError) -> Refusal:
    """Returns the refusal that an error of the package means to whoever asks."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, errors.ConfigError | errors.ImageError):
        return Refusal(422, "unusable", "That cannot be used", str(error))
    if isinstance(error, errors.DiskError):
        return Refusal(
            507,
            "no_room",
            "There is no room left",
            "The disk of the server is full; try again later.",
            retry_after=60.0,
        )
    return unexpected()


def unexpected() -> Refusal:
    """Returns the refusal for a bug of ours, which says nothing of its insides."""
    return Refusal(
        500,
        "bug",
        "Something broke on the server",
        "The server met an error that it did not expect; its log has the details. "
        "Try again, or tell whoever runs it.",
    )


def ends() -> Refusal:
    """Returns the refusal of a server that is about to end."""
    why = "The server is about to restart; try again in a moment."
    return Refusal(503, "draining", "The server restarts", why, retry_after=5.0)


def allowed(app: FastAPI, scope: Scope) -> list[str]:
    """Returns the methods that a path has, over all its routes."""

    def known(method: str) -> bool:
        asked = {**scope, "method": "GET" if method == "HEAD" else method}
        return any(route.matches(asked)[0] is Match.FULL for route in app.routes)

    return [method for method in METHODS if known(method)]


def told(
    request: Request, refusal: Refusal, more: dict[str, str] | None = None
) -> Response:
    """Returns a refusal as a page for who looks at pages, as a problem for others."""
    page: ErrorPage | None = getattr(request.app.state, "error_page", None)
    if page is not None and wants_page(request.url.path, request.headers.get("accept")):
        response = page(request, refusal)
        response.headers.update({**headers(refusal), **(more or {})})
        return response
    return answer(refusal, more)


def before_routes(
    scope: Scope, refusal: Refusal, more: dict[str, str] | None = None
) -> Response:
    """Returns a refusal as `told` does, from middleware: there may be no app in it."""
    if "app" in scope:
        return told(Request(scope), refusal, more)
    return answer(refusal, more)


def wants_page(path: str, accept: str | None) -> bool:
    """Whether a person looks at pages: no path of the API, and HTML is asked for."""
    return not path.startswith("/api/") and "text/html" in (accept or "")


async def _user_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, errors.UserError)
    return told(request, of_error(error))


async def _http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    status = error.status_code
    if status == 404:
        why = "There is nothing at this address; /docs lists what there is."
        return told(request, Refusal(404, "not_found", "Not found", why))
    if status == 405:
        methods = allowed(request.app, request.scope)
        why = f"This address takes {' and '.join(methods)} only."
        refusal = Refusal(405, "method_not_allowed", "That cannot be done here", why)
        return told(request, refusal, {"allow": ", ".join(methods)})
    phrase = http.HTTPStatus(status).phrase
    why = error.detail if status < 500 else unexpected().detail
    code = phrase.lower().replace(" ", "_")
    return told(request, Refusal(status, code, phrase, f"{why}"))


async def _invalid(request: Request, error: Exception) -> Response:
    """What FastAPI finds wrong: no JSON, no object, a key that is missing or wrong."""
    assert isinstance(error, RequestValidationError)
    found = error.errors()
    kinds = {one["type"] for one in found}
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if "json_invalid" in kinds:
        why = "The body is not JSON; send an object such as /docs shows."
        return told(request, Refusal(400, "malformed_json", "Malformed JSON", why))
    body = any(one["loc"][:1] == ("body",) for one in found)
    if body and media != "application/json" and not media.endswith("+json"):
        why = (
            f"The body is {media or 'of no type'}; send JSON, with Content-Type: "
            "application/json."
        )
        return told(request, Refusal(415, "not_json", "That is not JSON", why))
    why = f"{'; '.join(map(_sentence, found[:3]))}."
    return told(request, Refusal(422, "invalid", "A value cannot be used", why))


def _sentence(found: Any) -> str:
    place, *inner = found["loc"] or ("request",)
    name = _path(inner) or place
    message = found["msg"].removeprefix("Value error, ")
    return f"{name}: {message[:1].lower()}{message[1:]}"


def _path(parts: Iterable[Any]) -> str:
    """`("output", "quality")` as `output.quality`; what was sent is cut."""
    return ".".join(str(part)[:40] for part in parts)
