"""Who asks: the middleware that tells, and what it lets nobody do."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from jaxrestore.serving.http import problems, tokens
from jaxrestore.serving.http.guards import refuse
from jaxrestore.serving.http.sessions import Session, Sessions
from jaxrestore.serving.http.tokens import Token
from jaxrestore.serving.refusals import Refusal

_STUDY = ("/study",)  # raters have no token, and no pictures to find again
# What everyone may ask for where tokens are needed.
_OPEN = ("/healthz", "/readyz", "/login", "/favicon.ico", "/static", *_STUDY)
_ADMIN = ("/metrics", "/records", "/api/v1/records")


@dataclass(frozen=True)
class Caller:
    """Who asks. `owner` is whose pictures they are, `client` whose limits are counted.

    They differ for browsers: a new session is a new owner, but no new client. `listed`
    says whether an owner's pictures may be listed: what is known of an address alone
    belongs to all who share it.
    """

    owner: str
    client: str
    listed: bool
    admin: bool
    known: bool  # whether they may use the server at all


class Callers:
    """Tells the app who asks, as `request.state.caller`, and gives browsers a session.

    Where `known` has tokens, whoever has none is refused: 401, or on pages led to
    `/login`. What is for administrators is refused to others: 403. Without tokens all
    is for everyone if `local`, and nothing that is for administrators otherwise.
    """

    def __init__(
        self, app: ASGIApp, sessions: Sessions, known: tuple[Token, ...], local: bool
    ):
        """Wraps an app."""
        self.app, self.sessions, self.known, self.local = app, sessions, known, local

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        headers, path = Headers(scope=scope), scope["path"]
        session = self.sessions.read("; ".join(headers.getlist("cookie")))
        caller = self._caller(scope, headers, session)
        page = problems.wants_page(path, headers.get("accept"))
        if not caller.known and not _begins(path, _OPEN):
            if page and scope["method"] in ("GET", "HEAD"):
                return await _redirect(f"/login?next={_asked(scope)}", send)
            return await refuse(scope, receive, send, _unknown(headers))
        if not caller.admin and _begins(path, _ADMIN):
            return await refuse(scope, receive, send, _no_admin())
        if session is None and page and not _begins(path, _STUDY):
            session = self.sessions.new()
            send = _with_cookie(send, self.sessions.cookie(session))
            if not self.known:
                caller = self._caller(scope, headers, session)
        state = scope.setdefault("state", {})
        state["caller"], state["owner"] = caller, caller.owner
        await self.app(scope, receive, send)

    def _caller(
        self, scope: Scope, headers: Headers, session: Session | None
    ) -> Caller:
        scheme, _, said = headers.get("authorization", "").partition(" ")
        token = None
        if scheme.lower() == "bearer":
            token = tokens.find(self.known, said.strip())
        elif session is not None and session.mark:
            token = tokens.by_mark(self.known, session.mark)
        address = (scope.get("client") or ("", 0))[0] or "local"
        client = f"token:{token.mark}" if token else f"address:{address}"
        return Caller(
            owner=f"session:{session.id}" if session is not None else client,
            client=client,
            listed=session is not None or token is not None,
            admin=token.scope == "admin" if token else self.local and not self.known,
            known=token is not None or not self.known,
        )


def _asked(scope: Scope) -> str:
    """The address that was asked for, with its query, as the value in another query."""
    query = scope["query_string"]
    return quote(quote(scope["path"]).encode() + (b"?" + query if query else b""))


def _begins(path: str, places: tuple[str, ...]) -> bool:
    return any(
        path == place or path.startswith((f"{place}/", f"{place}.")) for place in places
    )


def _unknown(headers: Headers) -> Refusal:
    said = "is not known here" if "authorization" in headers else "is needed"
    return Refusal(
        401,
        "no_token",
        "A token is needed",
        f"A token {said}; send one as Authorization: Bearer TOKEN, or log in on "
        "/login.",
    )


def _no_admin() -> Refusal:
    return Refusal(
        403,
        "not_admin",
        "This is for administrators",
        "Only a token of scope admin opens this; ask whoever runs the server for one.",
    )


def _with_cookie(send: Send, cookie: str) -> Send:
    """Sets the cookie, unless the answer sets one itself, as that to a login does."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = [*message.get("headers", ())]
            if all(name != b"set-cookie" for name, _ in headers):
                headers.append((b"set-cookie", cookie.encode("latin-1")))
            message = {**message, "headers": headers}
        await send(message)

    return sending


async def _redirect(place: str, send: Send) -> None:
    headers: list[Any] = [(b"location", place.encode()), (b"content-length", b"0")]
    await send({"type": "http.response.start", "status": 303, "headers": headers})
    await send({"type": "http.response.body"})
