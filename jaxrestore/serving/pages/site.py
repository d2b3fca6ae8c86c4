"""The pages, put into an app."""

from fastapi import FastAPI

from jaxrestore.serving.pages import (
    dashboard,
    entry,
    following,
    routes,
    static_files,
)


def install(app: FastAPI) -> None:
    """Adds the pages and their files to an app that `http.app.create_app` returned.

    Errors are pages from then on, for those who look at pages.
    """
    for module in (routes, following, dashboard, entry):
        app.include_router(module.router)
    app.include_router(static_files.router())
    app.state.error_page = routes.error_page
