"""What is counted and written down of requests: their routes, not their addresses."""

import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from jaxrestore.serving.logs import Log
from jaxrestore.serving.metrics import Metrics


class Watching:
    """Counts each answer, and says so in the log."""

    def __init__(self, app: ASGIApp, metrics: Metrics, log: Log | None):
        """Wraps an app."""
        self.app, self.metrics, self.log = app, metrics, log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        began, method = time.monotonic(), scope["method"]
        code, size = 499, 0  # as nginx calls a client that went before its answer

        async def sending(message: Message) -> None:
            nonlocal code, size
            if message["type"] == "http.response.start":
                code = message["status"]
            size += len(message.get("body", b""))
            await send(message)

        try:
            await self.app(scope, receive, sending)
        finally:
            route = getattr(scope.get("route"), "path_format", "")
            self.metrics.request(route, method, code)
            if (refusal := scope["state"].get("refused")) is not None:
                self.metrics.refusal(refusal)
            if self.log is not None:
                self.log.request(
                    scope["state"]["request_id"],
                    route=route,
                    method=method,
                    code=code,
                    ms=1000 * (time.monotonic() - began),
                    size=size,
                )
