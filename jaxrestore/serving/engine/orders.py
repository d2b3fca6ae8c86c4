"""One order restored as the command line would, whoever else is at it.

What is slow asks for its owner's turn of the device: a tile of a network or of a
classical method, an interval of a fit.
"""

import contextlib
import dataclasses
import functools
import io
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxrestore import errors, files, images
from jaxrestore.image_files import srgb
from jaxrestore.inference import crops, inpainting, restorer
from jaxrestore.ops import no_reference
from jaxrestore.prior import pictures
from jaxrestore.serving import cells, values
from jaxrestore.serving.engine import failures, methods, offers, shelf, turns


@dataclasses.dataclass
class Work:
    """An order at work, and what it is told and asked on the way.

    `beginnings` are the turns of fits that begin. `check` raises what ends it; `told`
    is called with the share that is done, and whether there is a new preview;
    `finishing` says whether a fit is to end with what it has. `numbers` are what was
    measured.
    """

    order: values.Order
    networks: shelf.Shelf
    device: turns.Turns
    beginnings: turns.Turns
    check: Callable[[], object]
    told: Callable[[float, bool], object]
    finishing: Callable[[], bool]
    numbers: dict[str, Any] = dataclasses.field(default_factory=dict)

    def share(self, share: float) -> None:
        """Takes the progress of a restorer: a tile, or a crop, more is done."""
        self.numbers["tiles"] = self.numbers.get("tiles", 0) + 1
        self.check()
        self.told(share, False)

    def batch(self, fill: float) -> None:
        """Takes that a batch was computed, of which this share was of use."""
        before = self.numbers.get("batches", 0)
        self.numbers["batches"] = before + 1
        mean = self.numbers.get("fill", 0.0)
        self.numbers["fill"] = mean + (fill - mean) / (before + 1)


def fulfil(work: Work) -> np.ndarray:
    """Returns the restored picture, of the source's type, and writes it.

    Raises what the library raises of the picture and its options, which are checked
    again, `ConfigError` for a method that the task has not, and what `check` raises.
    """
    order = work.order
    picture = np.load(order.source, allow_pickle=False)
    hole = None if order.mask is None else np.load(order.mask, allow_pickle=False)
    ways = {"network": _network, "prior": _prior, "classical": _classical}
    if order.method not in ways:
        raise errors.ConfigError(f"there is no method {order.method!r}")
    made = ways[order.method](work, picture, hole, _Options(dict(order.options)))
    if made.dtype != picture.dtype:
        made = srgb.sixteen_bit(made)
    work.numbers["height"], work.numbers["width"] = made.shape[:2]
    work.check()
    _write(order.destination, made)
    work.numbers |= no_reference.compared(picture, made)
    return made


class _Options:
    """Options that are taken one by one; those that nobody took are refused."""

    def __init__(self, given):
        self._given = {name: one for name, one in given.items() if one is not None}

    def take(self, name, default=None):
        return self._given.pop(name, default)

    def end(self, order):
        if self._given:
            raise errors.ConfigError(
                f"{order.task} takes no `{min(self._given)}` with the method "
                f"{order.method}; leave it out"
            )


def _network(work, picture, hole, options):
    order, name = work.order, work.order.task
    if name == values.ENLARGE:
        name = f"{name}_x{offers.checked('scale', options.take('scale'))}"
    network = work.networks.take(name, order.owner, work.check, work.batch)
    work.numbers |= {"model": network.name, "weights": network.sha256}
    able = network.scale == 1 and hole is None
    asked = _restoring(work, options, confine=able and order.task == offers.CONFINED)
    return restorer.restore_image(network, picture, mask=hole, **asked)


def _restoring(work, options, confine=False):
    """What a network's restorer is asked, and a classical one."""
    confine = options.take("confine", confine)
    chosen = {name: options.take(name) for name in ("level", "strength")}
    chosen["ensemble"] = bool(options.take("ensemble", False))
    options.end(work.order)
    said = cells.read(work.order.cells) if confine else []
    if confine:
        work.numbers["confined"] = int(bool(said))
    return {**chosen, "cells": said, "progress": work.share}


def _classical(work, picture, hole, options):
    order = work.order

    def turned(function):
        classical = lambda images: function(jnp.asarray(images))
        apply = functools.partial(work.device.apply, order.owner, classical)
        return lambda images: apply(np.asarray(images), work.check)

    if hole is not None:
        options.end(order)
        fill = methods.filling(turned)
        return inpainting.fill_holes(fill, picture, hole, progress=work.share)
    shrunk, method, back = methods.classical(order.task, picture, options.take)
    method = dataclasses.replace(method, apply=turned(method.apply))
    made = restorer.restore_image(method, shrunk, **_restoring(work, options))
    return back(made, picture)


def _prior(work, picture, hole, options):
    order = work.order
    iterations = options.take("iterations", "auto")
    with _Fit(work, hole, deep=picture.dtype != np.uint8) as fit:
        asked = {"iterations": iterations, "progress": fit.told}
        if hole is not None:
            options.end(order)
            filling = pictures.Filling(**asked)
            made = inpainting.fill_holes(filling, picture, hole)
            fits = filling.results
            if not fits and filling.error is not None:
                raise filling.error
            _say(work, sum(one.iterations[0] for one in fits), filling.error)
            return made
        small = srgb.eight_bit(picture)
        how = methods.prior(order.task, small, options.take)
        options.end(order)
        _check_size(how)
        error = None
        try:
            found = pictures.restore_picture(how.picture, **how.how, **asked)
        except errors.UserError as raised:
            error, found = raised, getattr(raised, "result", None)
            if found is None:
                raise
    _say(work, found.iterations, error)
    return how.back(found.picture, small)


def _check_size(way):
    """Refuses what would take too much memory, in words for who cannot give more."""
    scale = way.how.get("scale", 1)
    height, width = (scale * side for side in way.picture.shape[:2])
    if height * width > pictures.MAX_PIXELS:
        raise images.ImageError(
            f"The result would have {width}x{height} px, and the prior, which fits a "
            f"network to each picture, makes {pictures.MAX_PIXELS:,} px at most; give "
            "a part of the picture, or choose another method."
        )


def _say(work, iterations, error):
    """Tells how a fit went; of one that went bad the best until then is the result."""
    work.numbers["iterations"] = iterations
    if error is not None:
        work.numbers["went_bad"] = failures.of(error)[1]


class _Fit:
    """The turns of a fit: between two intervals others have the device.

    The first interval, most of which is compiling, holds nobody up but other fits that
    begin: their memory together would be too much.
    """

    def __init__(self, work, hole, *, deep):
        self._work, self._parts, self._deep = work, 1, deep
        if hole is not None:
            plan = crops.plan(hole, side=inpainting.SIDE, margin=inpainting.MARGIN)
            self._parts = max(1, sum(1 for _ in plan))
        self._turn = contextlib.ExitStack()

    def __enter__(self):
        self._take(self._work.beginnings)
        return self

    def _take(self, turns):
        turn = turns.turn(self._work.order.owner, self._work.check)
        self._turn.enter_context(turn)

    def __exit__(self, *error):
        self._turn.close()

    def told(self, now: pictures.Now) -> bool:
        """Takes the progress of the prior; says whether it is to end."""
        work = self._work
        self._turn.close()
        preview = work.order.preview
        if preview is not None:
            deep = self._deep
            _write(preview, srgb.sixteen_bit(now.picture) if deep else now.picture)
        done = now.part - 1 + now.iteration / now.most
        work.check()
        work.told(min(1.0, done / self._parts), preview is not None)
        self._take(work.device)  # also for what little is left of a fit that ends
        return work.finishing()


def _write(path, array):
    file = io.BytesIO()
    np.save(file, np.ascontiguousarray(array), allow_pickle=False)
    files.write_bytes(path, file.getvalue())
