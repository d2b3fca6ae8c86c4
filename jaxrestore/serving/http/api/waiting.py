"""Waiting for jobs, as long as the server goes on."""

import asyncio

from jaxrestore.serving import values
from jaxrestore.serving.http.lifetime import Lifetime
from jaxrestore.serving.service import Service


async def waited(
    service: Service, life: Lifetime, id: str, seconds: float
) -> values.Job:
    """Returns a job once it is final, or as it stands after so many seconds.

    Or when the server ends: a job that waits goes on at its next start. Raises
    `Refusal` as `Service.wait` does.
    """
    waiting = asyncio.ensure_future(service.wait(id, seconds))
    ending = asyncio.ensure_future(life.ending.wait())
    try:
        await asyncio.wait({waiting, ending}, return_when="FIRST_COMPLETED")
        return waiting.result() if waiting.done() else await service.job(id)
    finally:
        waiting.cancel()
        ending.cancel()
        await asyncio.gather(waiting, ending, return_exceptions=True)
