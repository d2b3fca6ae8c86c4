"""The pixel shuffle in raster order against the order of colours: the cases c."""

import functools
from collections.abc import Iterator

import jax

from benchmarks import harness, pixel_shuffle
from benchmarks.gpu import contests
from jaxrestore.degradations import pixel_shuffle as shuffle


def rows(*, toy: bool, batch: int, side: int) -> Iterator[contests.Row]:
    """Yields both orders on float32 RGB photographs; each is read and written once."""
    batch, side = (2, 32) if toy else (batch, side)
    pictures = jax.device_put(pixel_shuffle.photographs(batch, side))
    keys = jax.random.split(jax.random.key(0), batch)
    calls = {}
    for order in ("raster", "colour"):
        options = {"rate": pixel_shuffle.RATE, "radius": pixel_shuffle.RADIUS}
        degrade = functools.partial(shuffle.degrade, **options, order=order)
        calls[order] = harness.Compiled(jax.vmap(degrade), keys, pictures)
    work = contests.Work(0, 2 * pictures.nbytes)
    yield from contests.rows(
        calls, work=work, toy=toy, amount=batch, unit="images", profiled=True
    )
