"""The web app with all that is real: engine, records, pages, metrics and log."""

import functools
import logging
from collections.abc import Callable

from fastapi import FastAPI

from jaxrestore.serving.engine.fleet import Fleet
from jaxrestore.serving.engine.supervisor import Engine
from jaxrestore.serving.http import study
from jaxrestore.serving.http.app import create_app
from jaxrestore.serving.http.recorded import Records
from jaxrestore.serving.logs import Log
from jaxrestore.serving.metrics import Metrics
from jaxrestore.serving.pages import site
from jaxrestore.serving.records.ledger import Ledger
from jaxrestore.serving.refusals import Refusal
from jaxrestore.serving.service import Service
from jaxrestore.serving.settings import Settings
from jaxrestore.serving.values import Job, Took


def assembled(settings: Settings, log: Log | None = None) -> FastAPI:
    """Returns the app of a server: engines of their own process, records on the disk.

    Nothing of it is started. `log` is where requests and jobs are told, nowhere if not
    given. Raises what `databases.opened`, `tokens.read` and `study.router` do.
    """
    ledger = Ledger(settings.database_url, days=settings.records_days)
    metrics = Metrics()

    def watch(what: Job | Refusal | Took) -> None:
        if isinstance(what, Took):
            metrics.took(what)
            return
        if isinstance(what, Refusal):
            metrics.refusal(what)
            return
        metrics.job(what)
        if log is not None:
            log.job(what)

    engine = functools.partial(Fleet if settings.devices else Engine, settings)
    service = Service(settings, engine, ledger, watch=watch)
    app = create_app(settings, service, metrics=metrics, log=log)
    app.state.records = Records(ledger)
    app.state.closing.append(ledger.close)
    site.install(app)
    if settings.study is not None:
        app.include_router(study.router(settings.study), prefix="/study")
    if log is not None:
        app.state.closing.append(_leading(log))
    return app


def _leading(log: Log) -> Callable[[], None]:
    """Has warnings of ours and of uvicorn told by the log alone, until it is called."""
    loggers = [logging.getLogger(name) for name in ("jaxrestore", "uvicorn")]
    before = [(logger.handlers, logger.propagate) for logger in loggers]

    def back() -> None:
        for logger, (handlers, propagate) in zip(loggers, before, strict=True):
            logger.handlers, logger.propagate = handlers, propagate

    for logger in loggers:
        logger.handlers, logger.propagate = [log.handler()], False
    return back
