"""Deep Image Prior: a network fitted to one damaged picture, until it is the picture.

A convolutional network draws natural images sooner than noise, blocks or gaps. It
starts from random weights for each picture, and nothing is learned from others.
"""

from collections.abc import Callable
from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from jaxrestore import errors, images
from jaxrestore.ops import ranges
from jaxrestore.prior import fits, stopping, tasks

INTERVAL = 50  # iterations between two looks at a fit
HELD = 0.05  # share of the known pixels that are not fitted

Iterations = Annotated[int, ranges.Range(1, whole=True)]


class Progress(NamedTuple):
    """Fits on their way: iterations done, of at most `most`, and the images so far.

    `records` are those of each picture, `active` says which are still being fitted.
    """

    iteration: int
    most: int
    images: Float[np.ndarray, "b h w c"]
    records: list[list[stopping.Record]]
    active: list[bool]


class Result(NamedTuple):
    """The restored images, the iterations that made each, and why each fit ended.

    The reason is `rule`, `iterations` or `asked`; empty for a fit that was on its way.
    """

    images: Float[np.ndarray, "b h w c"]
    iterations: list[int]
    ended: list[str]


class FitError(errors.TrainingError):
    """A fit that went bad; `result` is the best until then, None if there is none.

    It is a `Result`, or `pictures.Restored` where that is asked.
    """

    result: Any = None


class FitMemoryError(errors.OutOfMemoryError):
    """The memory does not suffice for a fit; `result` as that of `FitError`."""

    result: Any = None


def restore(
    degraded: Float[Array, "b h w c"],
    *,
    task: str | tasks.Task = "denoise",
    operator: tasks.Operator = tasks.identity,
    size: tuple[int, int] | None = None,
    mask: Float[Array, "n hh ww 1"] | None = None,
    iterations: int | str = "auto",
    stop: str | stopping.Rule = "held_out",
    key: PRNGKeyArray | None = None,
    interval: Iterations = INTERVAL,
    progress: Callable[[Progress], Any] | None = None,
) -> Result:
    """Returns the pictures restored, in [0, 1], and how each fit went.

    A network is fitted to each picture so that `operator` of its image is `degraded`.
    By itself the operator changes nothing, which serves for noise, JPEG files and
    missing pixels. For super-resolution it is `tasks.downsampling`; any function on
    batches that JAX can differentiate and in which nothing is random will do. `size` is
    the height and width of the restored images, if they are not those of `degraded`.
    Where `mask` is 1 pixels are missing, and nothing is asked of them; the task
    `inpaint` needs one, and gives the others back as they are.

    `iterations` is a number, rounded up to whole intervals, after which the result is
    the average of the images of the last hundred or so; or `"auto"`: the fit ends by
    the rule `stop`, one of `stopping.RULES` or your own, at the latest after the
    published number for the task, and the result is the average that the rule finds
    best. A twentieth of the known pixels is not fitted then, which tells how good the
    others are.

    `progress` is called every `interval` iterations; what it returns ends the fits if
    it is true, with the best so far. The same `key` gives the same result.

    Raises `ConfigError` for a task, a rule or a number that there is not, and for a
    mask that is missing, of another shape or full; `ImageError` for pictures that are
    not finite; `FitError` where a fit has diverged, and `FitMemoryError`: both hold the
    best so far.

    Source: Ulyanov, Vedaldi, Lempitsky, "Deep Image Prior", CVPR 2018; noise on the
    code, averages and falling back are those of its code.
    """
    settings = tasks.named(task) if isinstance(task, str) else task
    _check_numbers(iterations, interval)
    chosen = stopping.rule(stop) if isinstance(stop, str) else stop
    rule = chosen if iterations == "auto" else None
    most = settings.iterations if isinstance(iterations, str) else iterations
    degraded = jnp.asarray(degraded, jnp.float32)
    mask = _mask(degraded, mask, needed=task == "inpaint")
    side = size or (degraded.shape[1], degraded.shape[2])
    _check_operator(operator, degraded, side)
    key = jax.random.key(0) if key is None else key
    held_out = rule is not None
    pictures = _pictures(key, degraded, mask, settings, side, held_out=held_out)
    length = min(interval, most)
    program = fits.program(settings, operator, side, degraded.shape[-1], length)
    kept = _Kept(rule, most, len(degraded))
    if task == "inpaint":
        kept.known = np.asarray(degraded), np.asarray(mask)
    try:
        _fit(program, pictures, kept, length, progress)
    except FitError as error:
        error.result = kept.so_far()
        raise
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "RESOURCE_EXHAUSTED" not in str(error):
            raise
        short = FitMemoryError(
            "out of memory while fitting a picture; give a smaller one, or a part of it"
        )
        short.result = kept.so_far()
        raise short from error
    return kept.result()


def _fit(program, pictures, kept, length, progress):
    """Moves the fits on, interval after interval, and keeps what is best of them."""
    fit = program.begin(pictures)
    for start in range(0, kept.most, length):
        active = kept.active()
        fit, found = program.advance(fit, pictures, start, jnp.asarray(active))
        images_ = kept.composed(np.asarray(fit.average))
        found = jax.tree.map(np.asarray, found)
        for index in np.flatnonzero(active):
            one = jax.tree.map(lambda leaf, index=index: leaf[index], found)
            kept.look(index, start + length, length, images_[index], one)
        now = Progress(start + length, kept.most, images_, kept.records, kept.active())
        if progress is not None and progress(now):
            kept.ended = [ended or "asked" for ended in kept.ended]
        if not any(kept.active()):
            return


class _Kept:
    """Of each picture: what is known of its fit, and the best image so far."""

    def __init__(self, rule, most, count):
        self.rule, self.most = rule, most
        self.records: Any = [[] for _ in range(count)]
        self.recent: Any = [[] for _ in range(count)]  # (mean, variance) of intervals
        self.best: Any = [None] * count
        self.iterations, self.ended = [0] * count, [""] * count
        self.known: Any = None  # pixels that stay as they are, and where they do not

    def active(self):
        return [not ended for ended in self.ended]

    def composed(self, made):
        if self.known is None:
            return made
        degraded, mask = self.known
        return np.where(mask > 0, made, degraded)

    def look(self, index, iteration, length, image, found):
        if not np.isfinite(found.loss):
            raise FitError(
                f"the fit of picture {index} gives numbers that are not finite from "
                f"iteration {iteration - length} on; try another key"
            )
        recent, records = self.recent[index], self.records[index]
        recent.append((found.mean, float(found.variance)))
        count = max(1, stopping.WINDOW // length)
        del recent[:-count]
        means, variances = zip(*recent, strict=True)
        variance = stopping.window_variance(means, variances)
        records.append(
            stopping.Record(
                iteration,
                float(found.loss),
                float(found.held_out),
                variance if len(recent) == count else np.inf,
            )
        )
        if self.rule is None or stopping.best(self.rule, records) == len(records) - 1:
            self.best[index], self.iterations[index] = image, iteration
        if iteration >= self.most:
            self.ended[index] = "iterations"
        elif self.rule is not None and stopping.ends(self.rule, records):
            self.ended[index] = "rule"

    def so_far(self):
        whole = all(image is not None for image in self.best)
        return self.result() if whole else None

    def result(self):
        return Result(np.stack(self.best), [*self.iterations], [*self.ended])


def _pictures(key, degraded, mask, settings, side, *, held_out):
    multiple = fits.model(settings, degraded.shape[-1]).multiple

    def one(index, degraded, mask):
        drawn, coded, fitted = jax.random.split(jax.random.fold_in(key, index), 3)
        known = 1 - mask
        held = _held(drawn, known) if held_out else jnp.zeros_like(known)
        code = fits.code(coded, side, settings.code, multiple)
        return fits.Picture(degraded, known - held, held, code, fitted)

    return jax.vmap(one)(jnp.arange(len(degraded)), degraded, mask)


def _held(key, known):
    """A share of the known pixels, at least one."""
    drawn = jnp.where(known > 0, jax.random.uniform(key, known.shape), 1)
    return known * (drawn <= jnp.maximum(HELD, drawn.min()))


def _check_numbers(iterations, interval):
    numbers = {"interval": interval}
    if iterations != "auto":
        numbers["iterations"] = iterations
    for name, number in numbers.items():
        if not ranges.holds(ranges.of(Iterations), number):
            auto = "'auto' or " if name == "iterations" else ""
            raise errors.ConfigError(
                f"`{name}` is {number!r}; it must be {auto}a whole number, 1 or more"
            )


def _mask(degraded, mask, needed):
    if not np.isfinite(np.asarray(degraded)).all():
        raise images.ImageError(
            "a picture to restore has values that are not finite; mend or mask them"
        )
    shape = (*degraded.shape[:3], 1)
    if mask is None:
        if needed:
            raise errors.ConfigError(
                "inpaint has to know which pixels are missing; give `mask`, 1 there"
            )
        return jnp.zeros(shape)
    if mask.shape != shape:
        raise errors.ConfigError(
            f"`mask` has the shape {mask.shape}, the pictures ask for {shape}; give "
            "one number a pixel"
        )
    mask = (jnp.asarray(mask) > 0.5).astype(jnp.float32)
    if mask.min((1, 2, 3)).max() > 0:
        raise errors.ConfigError(
            "`mask` says of all pixels of a picture that they are missing, so that "
            "there is nothing to go by; give one that is 0 where pixels are known"
        )
    return mask


def _check_operator(operator, degraded, side):
    shape = (len(degraded), *side, degraded.shape[-1])
    made = jax.eval_shape(operator, jax.ShapeDtypeStruct(shape, jnp.float32)).shape
    if made != degraded.shape:
        raise errors.ConfigError(
            f"the operator makes {made} of images of {shape}, but the pictures are "
            f"{degraded.shape}; give another operator, or the `size` of the result"
        )
