"""Jinja2's environment for the pages: what is not markup is escaped, always."""

import functools
import math
import time
from pathlib import Path
from typing import Any

import jinja2
from starlette.requests import Request
from starlette.responses import HTMLResponse

from jaxrestore import __version__
from jaxrestore.serving.pages import addresses, fields, words

_HOME = Path(__file__).parent / "templates"


@functools.cache
def environment() -> jinja2.Environment:
    """Returns the environment: with autoescape, and no name may be missing."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HOME),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals |= {"words": words, "fields": fields, "addresses": addresses}
    made.globals["version"] = __version__
    return made


def text(name: str, context: dict[str, Any]) -> str:
    """Returns the template `name` filled in; `now` is among its names."""
    return environment().get_template(name).render({"now": time.time(), **context})


def page(
    request: Request, name: str, context: dict[str, Any], status: int = 200
) -> HTMLResponse:
    """Returns the template `name` filled in, as the answer to a browser.

    Its names are those of `context`, `here`, the page's own path, and what the caller
    may do: `admin`, and `known`, which is whether there is a token to log out with. The
    `problem` of a context says after how long it is worth to ask again.
    """
    caller = getattr(request.state, "caller", None)
    common = {
        "here": request.url.path,
        "admin": bool(caller and caller.admin),
        "known": bool(getattr(request.app.state, "tokens", ())),
    }
    problem = context.get("problem")
    again = problem.retry_after if problem is not None else None
    headers = {} if again is None else {"retry-after": str(math.ceil(again))}
    return HTMLResponse(text(name, {**common, **context}), status, headers)
