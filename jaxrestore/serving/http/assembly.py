"""The web app with all that is real: engine, records, pages, metrics and log."""

import asyncio
import functools
import logging

from fastapi import FastAPI

from jaxrestore.serving.engine.supervisor import Engine
from jaxrestore.serving.http.app import create_app
from jaxrestore.serving.http.recorded import Records
from jaxrestore.serving.logs import Log
from jaxrestore.serving.metrics import Metrics
from jaxrestore.serving.pages import site
from jaxrestore.serving.records.ledger import Ledger
from jaxrestore.serving.refusals import Refusal
from jaxrestore.serving.service import Service
from jaxrestore.serving.settings import Settings
from jaxrestore.serving.values import Job

_HOUR = 3600.0


def assembled(settings: Settings, log: Log | None = None) -> FastAPI:
    """Returns the app of a server: an engine of its own process, records on the disk.

    Nothing of it is started. `log` is where requests and jobs are told, nowhere if not
    given. Raises what `databases.opened` and `tokens.read` do.
    """
    ledger, metrics = Ledger(settings.database_url), Metrics()

    def watch(what: Job | Refusal) -> None:
        if isinstance(what, Refusal):
            metrics.refusal(what)
            return
        metrics.job(what)
        if log is not None:
            log.job(what)

    engine = functools.partial(Engine, settings)
    service = Service(settings, engine, ledger, watch=watch)
    app = create_app(settings, service, metrics=metrics, log=log)
    app.state.records = records = Records(ledger)
    app.state.chores.append(lambda: _retire(records, settings.records_days))
    app.state.closing.append(ledger.close)
    site.install(app)
    if log is not None:
        _lead(log)
    return app


async def _retire(records: Records, days: int) -> None:
    """Replaces what is old by totals, now and each hour."""
    while True:
        try:
            await asyncio.to_thread(records.retire, days)
        except Exception as error:  # a full disk must not end it for good
            logging.getLogger(__name__).error("records are not retired", exc_info=error)
        await asyncio.sleep(_HOUR)


def _lead(log: Log) -> None:
    """Has warnings of ours and of uvicorn told by the log alone."""
    for name in ("jaxrestore", "uvicorn"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [log.handler()], False
