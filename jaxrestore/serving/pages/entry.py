"""`/login`, where tokens are needed: a form for one, and a cookie in its place."""

from fastapi import APIRouter, Request, Response

from jaxrestore.serving.http import state, tokens
from jaxrestore.serving.pages.routes import on
from jaxrestore.serving.pages.templating import page
from jaxrestore.serving.refusals import Refusal

router = APIRouter(include_in_schema=False)


@router.get("/login")
async def ask(request: Request, next: str = "/") -> Response:
    """Asks for a token."""
    return page(request, "login.html", {"next": local(next), "problem": None})


@router.post("/login")
async def enter(request: Request) -> Response:
    """Looks at the token, and leads on with a session that remembers it."""
    async with request.form(max_files=0, max_fields=4) as form:
        said, place = str(form.get("token", "")), local(str(form.get("next", "/")))
    token = tokens.find(state.tokens(request), said.strip())
    if token is None:
        problem = Refusal(
            401,
            "no_token",
            "This token is not known here",
            "Look whether all of it was pasted, or ask whoever runs the server.",
        )
        return page(request, "login.html", {"next": place, "problem": problem}, 401)
    made = state.sessions(request)
    answer = on(place)
    answer.headers["set-cookie"] = made.cookie(made.new(token.mark))
    return answer


@router.post("/logout")
async def leave(request: Request) -> Response:
    """Ends the session."""
    answer = on("/login")
    answer.headers["set-cookie"] = state.sessions(request).forgotten()
    return answer


def local(place: str) -> str:
    """Returns a path of this server, or its first page where it is none.

    >>> entry.local("/history"), entry.local("//example.org/"), entry.local("x:y")
    ('/history', '/', '/')
    """
    own = place.startswith("/") and not place.startswith(("//", "/\\"))
    return place if own and place.isprintable() and " " not in place else "/"
