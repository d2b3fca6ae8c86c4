"""Scratches: an old photograph's faded colours, noise, white strokes and dust.

Lengths are in pixels of an image whose shorter side is 256 and scale with that side, so
that a small image shows the same damage seen from further away.
"""

import functools
from typing import Annotated

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from jaxrestore.ops import draws, ranges, strokes

Probability = Annotated[float | int | Float[Array, ""], ranges.Range(0, 1)]
Deviation = Annotated[
    draws.Number, ranges.Range(0, 255, "of 255; what a level in [0, 1] is times 255")
]

_CONTRAST = (0.7, 1.0)
_GAIN = (0.92, 1.08)
_POISSON_SCALE = (0.5, 2.0)
_SPECKLED = (0.0, 0.02)
_VERTICES = (2, 6)
_STEP = (10.0, 60.0)
_TURN = 0.5  # standard deviation in rad
_DUST_RADIUS = (0.5, 3.0)
_FILM_COUNT = (1, 3)
_FILM_WIDTH = (1.0, 2.0)
_FILM_JITTER = 0.3  # px from row to row
_BLOTCH_COUNT = (1, 3)
_BLOTCH_RADIUS = (5.0, 25.0)
_BLOTCH_OPACITY = (0.3, 0.7)


def degrade(
    key: PRNGKeyArray,
    image: Float[Array, "h w c"],
    *,
    cast: Probability = 0.5,
    gaussian: Probability = 0.9,
    poisson: Probability = 0.1,
    deviation: Deviation = (5.0, 35.0),
    salt_and_pepper: Probability = 0.3,
    count: draws.WholeNumber = (3, 12),
    width: draws.NotNegative = (1.0, 4.0),
    dust: draws.WholeNumber = (0, 40),
    film: Probability = 0.3,
    blotch: Probability = 0.2,
    intensity: draws.Share = (0.85, 1.0),
    opacity: draws.Share = (0.7, 1.0),
) -> Float[Array, "h w c"]:
    """Returns `image` as an old photograph, clipped to [0, 1] and rounded to 8 bit.

    In this order: with probability `cast` less contrast and another gain for each
    channel; noise, with probability `gaussian` of `deviation` (of 255), or else, with
    probability `poisson`, that of 64 to 1020 photons at white; with probability
    `salt_and_pepper` up to 2% black and white pixels; `count` crooked strokes of
    `width` px; `dust` specks; with probability `film` 1 to 3 lines from top to bottom;
    with probability `blotch` 1 to 3 soft spots. Marks have a grey `intensity` and an
    `opacity`, blotches one of 0.3 to 0.7. `count` and `dust` are not traced.

    Two liberties. This degradation clips and rounds, since the pictures that it
    imitates are 8-bit files. Its photon noise is a normal of the right variance: exact
    draws, as in `noise`, would more than double its time.

    Source: the noisy faces with white marks of a comparison of a VAE with a GAN, known
    by description only; form and ranges are ours.

    >>> image = jnp.full((16, 16, 3), 0.5)
    >>> degraded = jax.jit(scratches.degrade)(jax.random.key(0), image)
    >>> degraded.shape, bool((degraded > 0.8).any())  # strokes are white
    ((16, 16, 3), True)
    """
    degraded, _ = damage(
        key,
        image,
        cast=cast,
        gaussian=gaussian,
        poisson=poisson,
        deviation=deviation,
        salt_and_pepper=salt_and_pepper,
        count=count,
        width=width,
        dust=dust,
        film=film,
        blotch=blotch,
        intensity=intensity,
        opacity=opacity,
    )
    return degraded


def damage(
    key: PRNGKeyArray,
    image: Float[Array, "h w c"],
    *,
    cast: Probability = 0.5,
    gaussian: Probability = 0.9,
    poisson: Probability = 0.1,
    deviation: Deviation = (5.0, 35.0),
    salt_and_pepper: Probability = 0.3,
    count: draws.WholeNumber = (3, 12),
    width: draws.NotNegative = (1.0, 4.0),
    dust: draws.WholeNumber = (0, 40),
    film: Probability = 0.3,
    blotch: Probability = 0.2,
    intensity: draws.Share = (0.85, 1.0),
    opacity: draws.Share = (0.7, 1.0),
) -> tuple[Float[Array, "h w c"], Float[Array, "h w 1"]]:
    """Returns what `degrade` does, and a mask: 1 under strokes, dust, lines, blotches.

    A pixel that a mark covers in the least counts as damaged. Noise, speckles and
    fading are everywhere and not in the mask.
    """
    ranges.check(damage, locals())
    keys = jax.random.split(key, 7)
    image = _faded(keys[0], image, cast)
    image = _noisy(keys[1], image, gaussian, poisson, deviation)
    image = _speckled(keys[2], image, salt_and_pepper)
    shape = image.shape[:2]
    ink = strokes.Ink(intensity, opacity)
    soft = strokes.Ink(intensity, _BLOTCH_OPACITY)
    stroke = functools.partial(_stroke, shape=shape, width=width)
    speck = functools.partial(_speck, shape=shape)
    line = functools.partial(_line, shape=shape)
    spot = functools.partial(_spot, shape=shape)
    paint, sheet = strokes.paint, strokes.clear_sheet(*shape)
    sheet = paint(keys[3], sheet, ink, stroke, count=count)
    sheet = paint(keys[4], sheet, ink, speck, count=dust)
    sheet = paint(keys[5], sheet, ink, line, count=_FILM_COUNT, probability=film)
    sheet = paint(keys[6], sheet, soft, spot, count=_BLOTCH_COUNT, probability=blotch)
    image = image * sheet.clear[..., None] + sheet.light[..., None]
    mask = (sheet.clear < 1).astype(jnp.float32)[..., None]
    return jnp.round(jnp.clip(image, 0, 1) * 255) / 255, mask


def _faded(key, image, probability):
    chance_key, contrast_key, gain_key = jax.random.split(key, 3)
    contrast = draws.number(contrast_key, _CONTRAST)
    gain = jax.random.uniform(gain_key, image.shape[-1:], jnp.float32, *_GAIN)
    faded = (0.5 + contrast * (image - 0.5)) * gain
    return jnp.where(jax.random.bernoulli(chance_key, probability), faded, image)


def _noisy(key, image, gaussian, poisson, deviation):
    kind_key, deviation_key, scale_key, noise_key = jax.random.split(key, 4)
    kind = jax.random.uniform(kind_key)
    steady = draws.number(deviation_key, deviation) / 255
    # Counts of Poisson(255 * image) have this deviation, of 255, before the scale.
    shot = jnp.sqrt(jnp.maximum(image, 0) / 255)
    shot = draws.number(scale_key, _POISSON_SCALE) * shot
    strength = jnp.where(kind < gaussian + poisson, shot, 0)
    strength = jnp.where(kind < gaussian, steady, strength)
    return image + strength * jax.random.normal(noise_key, image.shape)


def _speckled(key, image, probability):
    chance_key, share_key, place_key = jax.random.split(key, 3)
    share = draws.number(share_key, _SPECKLED)
    share = share * jax.random.bernoulli(chance_key, probability)
    place = jax.random.uniform(place_key, (*image.shape[:2], 1))
    image = jnp.where(place < share / 2, 0, image)
    return jnp.where(place >= 1 - share / 2, 1, image)


def _stroke(key, shape, width):
    """Coverage by a polyline of 2 to 6 vertices that turns a little at each."""
    keys = jax.random.split(key, 6)
    scale, segments = _scale(shape), _VERTICES[1] - 1
    turns = _TURN * jax.random.normal(keys[0], (segments,))
    heading = 2 * jnp.pi * jax.random.uniform(keys[1]) + jnp.cumsum(turns)
    steps = scale * jax.random.uniform(keys[2], (segments, 1), jnp.float32, *_STEP)
    moves = steps * jnp.stack([jnp.sin(heading), jnp.cos(heading)], -1)
    moves = jnp.concatenate([jnp.zeros((1, 2)), moves])
    path = _place(keys[3], shape) + jnp.cumsum(moves, 0)
    vertices = jax.random.randint(keys[4], (), _VERTICES[0], _VERTICES[1] + 1)
    path = strokes.shortened(path, vertices)
    distance = strokes.distance_to_path(path, *shape)
    return strokes.coverage(distance, scale * draws.number(keys[5], width) / 2)


def _speck(key, shape):
    """Coverage by a small disc."""
    place_key, radius_key = jax.random.split(key)
    centre = _place(place_key, shape)
    distance = strokes.distance_to_path(centre[None], *shape)
    radius = _scale(shape) * draws.number(radius_key, _DUST_RADIUS)
    return strokes.coverage(distance, radius)


def _line(key, shape):
    """Coverage by a line from top to bottom that wavers as a random walk."""
    place_key, walk_key, width_key = jax.random.split(key, 3)
    scale = _scale(shape)
    # A walk of n steps strays by sqrt(n) of them: so it strays in proportion to n.
    jitter = _FILM_JITTER * scale**0.5 * jax.random.normal(walk_key, (shape[0], 1))
    column = _place(place_key, shape)[1] + jnp.cumsum(jitter, 0)
    distance = jnp.abs(jnp.arange(shape[1]) - column)
    return strokes.coverage(distance, scale * draws.number(width_key, _FILM_WIDTH) / 2)


def _spot(key, shape):
    """Coverage by an ellipse whose edge is soft: from 0.7 to 1.3 radii."""
    place_key, radius_key, angle_key = jax.random.split(key, 3)
    radii = jax.random.uniform(radius_key, (2,), jnp.float32, *_BLOTCH_RADIUS)
    radii = _scale(shape) * radii
    angle = jnp.pi * jax.random.uniform(angle_key)
    centre = _place(place_key, shape)
    down = jnp.arange(shape[0])[:, None] - centre[0]
    across = jnp.arange(shape[1]) - centre[1]
    along = (down * jnp.sin(angle) + across * jnp.cos(angle)) / radii[0]
    beside = (down * jnp.cos(angle) - across * jnp.sin(angle)) / radii[1]
    inward = jnp.clip((1.3 - jnp.hypot(along, beside)) / 0.6, 0, 1)
    return inward * inward * (3 - 2 * inward)


def _scale(shape):
    return min(shape) / 256


def _place(key, shape):
    """A point anywhere on the picture, as (row, column)."""
    return jax.random.uniform(key, (2,)) * jnp.array(shape) - 0.5
