"""The network of one picture, and an interval of its fit as one compiled loop.

Several pictures are one program that takes them one after another: each has weights of
its own, so that nothing is gained side by side on a CPU, and the workspace is that of
one picture.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from jaxrestore import losses, networks
from jaxrestore.fitting import optimizers, state, update
from jaxrestore.prior import tasks

_KEPT = 0.99  # of the average, in each iteration
_FALL = 10**0.5  # 5 dB


class Picture(NamedTuple):
    """What a fit is about. `weight` is 1 where `degraded` is fitted, 0 elsewhere.

    `held` is 1 at pixels that are known and not fitted: the error there tells how good
    the restored image is.
    """

    degraded: Float[Array, "*b h w c"]
    weight: Float[Array, "*b h w 1"]
    held: Float[Array, "*b h w 1"]
    code: Float[Array, "*b hh ww z"]
    key: PRNGKeyArray


class Fit(NamedTuple):
    """A network on its way, the average of its images, and its last mean loss."""

    network: state.Network
    average: Float[Array, "*b hh ww c"]
    loss: Float[Array, "*b"]


class Found(NamedTuple):
    """What an interval has found, of each picture.

    `loss` is the mean of the interval, `held_out` the mean squared error of the average
    where nothing was fitted; `mean` and `variance` are those of the images of the
    interval. A fit that `fell` back stands where it was before the interval.
    """

    loss: Float[Array, "*b"]
    held_out: Float[Array, "*b"]
    mean: Float[Array, "*b hh ww c"]
    variance: Float[Array, "*b"]
    fell: Any


class Program(NamedTuple):
    """`begin(pictures)` and `advance(fits, pictures, start, active)`, compiled.

    The first returns the fits before the first iteration, the second moves those that
    are `active` on by an interval, and returns them with what was `Found`. The fits
    that it takes are used up.
    """

    begin: Callable[..., Fit]
    advance: Callable[..., tuple[Fit, Found]]


def code(
    key: PRNGKeyArray, side: tuple[int, int], channels: int, multiple: int
) -> Float[Array, "hh ww z"]:
    """Returns the network's input for an image of these sides, up to a multiple.

    Source: the code of Deep Image Prior, uniform from 0 to 0.1.
    """
    height, width = (-(-length // multiple) * multiple for length in side)
    return 0.1 * jax.random.uniform(key, (height, width, channels))


def model(task: tasks.Task, channels: int) -> Any:
    """Returns the network of a task for images of so many channels."""
    options = {name: getattr(task, name) for name in ("widths", "skips", "upsampling")}
    return networks.build(
        "Generator", {"name": "skip", "channels": channels, **options}
    )


@functools.lru_cache(maxsize=8)
def program(
    task: tasks.Task,
    operator: tasks.Operator,
    side: tuple[int, int],
    channels: int,
    length: int,
) -> Program:
    """Returns the compiled functions for images of these sides and channels.

    The last few are kept, so that pictures of one size share a program.

    `length` are the iterations of an interval. A fit whose loss rises by 5 dB over that
    of the interval before, or is not finite, falls back to where it stood, and goes on
    with other noise.
    """
    network = model(task, channels)
    fixed = {"schedule": "constant", "warmup": 0, "rate": task.rate}
    rate = optimizers.schedule(fixed, task.iterations)
    adam = optimizers.adam({"beta1": 0.9, "beta2": 0.999, "clip": 0}, rate)
    player = update.Player(network, adam, rate)

    def drawn(params, code):
        image, _ = network.apply({"params": params}, code[None], train=True)
        return image[:, : side[0], : side[1]]

    def begun(picture):
        variables = network.init(picture.key, picture.code[None], train=True)
        blank = jnp.zeros((*side, channels))
        return Fit(state.network(variables, adam), blank, jnp.float32(jnp.inf))

    def iteration(picture, reference, carry, index):
        fit, sums = carry
        key = jax.random.fold_in(picture.key, index)
        noise = task.jitter * jax.random.normal(key, picture.code.shape)

        def loss(params, stats, batch):
            image = drawn(params, batch["code"])
            error = _error(operator(image), picture.degraded, picture.weight)
            return error, (stats, image[0], {"loss": error})

        batch = {"code": picture.code + noise}
        moved, image, terms = update.update(player, fit.network, loss, batch, parts=1)
        kept = jnp.where(index == 0, 0.0, _KEPT)
        average = kept * fit.average + (1 - kept) * image
        # From the average, not from 0: the variance is small, its terms would not be.
        apart = image - reference
        found = (terms["loss"], apart, jnp.square(apart).mean())
        sums = jax.tree.map(jnp.add, sums, found)
        return (Fit(moved, average, fit.loss), sums), None

    def advanced(start, fit, picture):
        zeros = (jnp.zeros(()), jnp.zeros_like(fit.average), jnp.zeros(()))
        step = functools.partial(iteration, picture, fit.average)
        indices = start + jnp.arange(length)
        (after, sums), _ = jax.lax.scan(step, (fit, zeros), indices)
        loss, apart, squares = (one / length for one in sums)
        fell = ~(loss <= _FALL * fit.loss)
        after = after._replace(loss=loss)
        kept = jax.tree.map(lambda old, new: jnp.where(fell, old, new), fit, after)
        held_out = _error(operator(kept.average[None]), picture.degraded, picture.held)
        variance = squares - jnp.square(apart).mean()
        return kept, Found(loss, held_out, fit.average + apart, variance, fell)

    def one(argument):
        fit, picture, start, active = argument
        nan = jnp.float32(jnp.nan)
        rested = Found(nan, nan, fit.average, nan, jnp.bool_(False))
        return jax.lax.cond(
            active,
            functools.partial(advanced, start),
            lambda fit, picture: (fit, rested),
            fit,
            picture,
        )

    def advance(fits, pictures, start, active):
        starts = jnp.full(len(active), start)
        return jax.lax.map(one, (fits, pictures, starts, active))

    return Program(
        jax.jit(lambda pictures: jax.lax.map(begun, pictures)),
        jax.jit(advance, donate_argnums=0),
    )


def _error(images, degraded, weight):
    return losses.mse(images, degraded[None], weight=weight[None])[0]
