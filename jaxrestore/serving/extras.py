"""What the web app is made of and a plain installation lacks: the extra `web`."""

import contextlib
from collections.abc import Iterator

from jaxrestore import errors

LIBRARIES = (
    "alembic",
    "fastapi",
    "httptools",
    "jsonschema_rs",
    "prometheus_client",
    "pydantic",
    "python_multipart",
    "sqlalchemy",
    "starlette",
    "structlog",
    "uvicorn",
)


@contextlib.contextmanager
def needed(what: str) -> Iterator[None]:
    """Within, a library of the extra that is missing is told as a `ConfigError`.

    `what` needs it: a few words, such as "the web app".

    >>> with extras.needed("the web app"):
    ...     import fastapi
    """
    try:
        yield
    except ModuleNotFoundError as error:
        library = (error.name or "").partition(".")[0]
        if library not in LIBRARIES:
            raise
        raise errors.ConfigError(
            f"{what} needs {library}, which is not installed; pip install "
            "'jaxrestore[web]' brings it"
        ) from error
