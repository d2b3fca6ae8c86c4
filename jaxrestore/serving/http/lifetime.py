"""The end of a server: it takes nothing new, and lets go of what it holds open."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from jaxrestore.serving.http import problems
from jaxrestore.serving.http.guards import refuse

# What may be asked for until the last moment.
_LAST = ("/cancel", "/stop", "/feedback", "/delete", "/login", "/logout")


@dataclass
class Lifetime:
    """How far a server is: `draining` it takes no new jobs, `ending` streams end."""

    draining: bool = False
    ending: asyncio.Event = field(default_factory=asyncio.Event)
    streams: Counter[str] = field(default_factory=Counter)  # open ones, by client


class Ending:
    """Refuses uploads and jobs (503) once a server drains, and keeps no connection."""

    def __init__(self, app: ASGIApp, lifetime: Lifetime):
        """Wraps an app."""
        self.app, self.lifetime = app, lifetime

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request."""
        if scope["type"] != "http" or not self.lifetime.draining:
            return await self.app(scope, receive, send)
        if scope["method"] == "POST" and not scope["path"].endswith(_LAST):
            return await refuse(scope, receive, send, problems.ends())

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = [*message.get("headers", ()), (b"connection", b"close")]
                message = {**message, "headers": headers}
            await send(message)

        await self.app(scope, receive, sending)
