"""The web app with all that is real: engine, records, pages."""

from fastapi import FastAPI

from jaxrestore.serving.settings import Settings


def assembled(settings: Settings) -> FastAPI:
    """Returns the app of a server: the engine of its own process, records on disk.

    Nothing of it is started. Raises what opening the records and reading the tokens do.
    """
    raise NotImplementedError
