"""What an earlier process left in the spool and in the ledger, taken up again."""

import dataclasses

from jaxrestore.serving.batches import Batches
from jaxrestore.serving.contracts import Ledger
from jaxrestore.serving.jobs import Jobs
from jaxrestore.serving.pictures import Pictures
from jaxrestore.serving.spool import Spool
from jaxrestore.serving.values import Batch, Image, Job

# What the ledger knows better than the spool, where one lags behind the other.
_OF_LEDGER = ("status", "started", "finished", "code", "detail", "tries", "numbers")


async def take_up(
    spool: Spool, ledger: Ledger, jobs: Jobs, pictures: Pictures, batches: Batches
) -> None:
    """Takes up every job that was acknowledged: it is kept, waits again, or fails.

    A job that the ledger does not know was never acknowledged, and is deleted. What has
    expired meanwhile the next sweep deletes.
    """
    call = jobs.register.clerk.call
    pictures.all |= {
        image.id: image
        for image in spool.kept(Image)
        if spool.values(image.id).is_file()
    }
    unfinished = {job.id: job for job in await call(ledger.unfinished)}
    for kept in sorted(spool.kept(Job), key=lambda job: job.created):
        written = unfinished.pop(kept.id, None) or await call(ledger.get, kept.id)
        if written is None:
            spool.delete(Job, kept.id)
            continue
        known = {name: getattr(written, name) for name in _OF_LEDGER}
        job = kept if kept.final else dataclasses.replace(kept, **known)
        if job.final and not written.final:
            jobs.register.move(written, {name: getattr(job, name) for name in known})
        image = pictures.all.get(job.image_id)
        ready = image is not None and _has_mask(spool, job)
        jobs.take_up(job, pictures.facts(image) if image and ready else None)
    for job in unfinished.values():  # their folder is gone
        jobs.take_up(job, None)
    batches.all |= {batch.id: batch for batch in spool.kept(Batch)}


def _has_mask(spool: Spool, job: Job) -> bool:
    return job.mask_id is None or spool.mask(job.image_id, job.mask_id).is_file()
