"""What a request can reach of the server: for the API and for the pages.

What FastAPI calls for a request is `async`: it calls anything else in a thread, which
on a busy machine takes longer than the answer.
"""

from typing import Annotated

from fastapi import Depends, Request

from jaxrestore.serving.http.callers import Caller
from jaxrestore.serving.http.lifetime import Lifetime
from jaxrestore.serving.http.sessions import Sessions
from jaxrestore.serving.http.tokens import Token
from jaxrestore.serving.service import Service
from jaxrestore.serving.settings import Settings


async def service(request: Request) -> Service:
    """Returns the service."""
    return request.app.state.service


async def settings(request: Request) -> Settings:
    """Returns the settings."""
    return request.app.state.settings


async def lifetime(request: Request) -> Lifetime:
    """Returns how far the server is."""
    return request.app.state.lifetime


def sessions(request: Request) -> Sessions:
    """Returns what makes sessions."""
    return request.app.state.sessions


def tokens(request: Request) -> tuple[Token, ...]:
    """Returns the tokens that are known; none where none are needed."""
    return request.app.state.tokens


async def caller(request: Request) -> Caller:
    """Returns who asks."""
    return request.state.caller


TheService = Annotated[Service, Depends(service)]
TheSettings = Annotated[Settings, Depends(settings)]
TheCaller = Annotated[Caller, Depends(caller)]
TheLife = Annotated[Lifetime, Depends(lifetime)]
