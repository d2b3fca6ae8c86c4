"""GAN modes: what the two players minimise, as functions of logits.

A mode returns values for each logit; the caller takes the means. Both sides receive
the logits of real and of fake images, since some modes compare the two.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Logits = Float[Array, "..."]


class GanMode(NamedTuple):
    """A GAN objective.

    `generator(real, fake)` returns values to minimise, shaped as `fake`.
    `discriminator(real, fake)` returns the values of the real and of the fake logits,
    shaped as they are; the loss is half the sum of their means.
    `boundary` is the logit above which an image counts as judged real.
    """

    generator: Callable[[Logits, Logits], Logits]
    discriminator: Callable[[Logits, Logits], tuple[Logits, Logits]]
    boundary: float


def mode(name: str) -> GanMode:
    """Returns the mode called `name`; raises `ValueError` naming those there are."""
    if name not in _MODES:
        raise ValueError(f"adversarial mode {name!r}; there is {', '.join(MODES)}")
    return _MODES[name]


def discriminator_loss(mode: GanMode, real: Logits, fake: Logits) -> Float[Array, ""]:
    """Returns half the sum of the mean real and the mean fake value."""
    real_values, fake_values = mode.discriminator(real, fake)
    return (real_values.mean() + fake_values.mean()) / 2


# Source: Goodfellow et al., "Generative Adversarial Nets", NeurIPS 2014, with the
# non-saturating generator of its section 3. softplus(-x) is -log(sigmoid(x)).
_VANILLA = GanMode(
    generator=lambda real, fake: jax.nn.softplus(-fake),
    discriminator=lambda real, fake: (jax.nn.softplus(-real), jax.nn.softplus(fake)),
    boundary=0.0,
)

# Source: Mao et al., "Least Squares Generative Adversarial Networks", ICCV 2017, with
# the labels 1 (real) and 0 (fake) of pix2pix.
_LSGAN = GanMode(
    generator=lambda real, fake: jnp.square(fake - 1),
    discriminator=lambda real, fake: (jnp.square(real - 1), jnp.square(fake)),
    boundary=0.5,
)

_MODES = {"vanilla": _VANILLA, "lsgan": _LSGAN}
MODES = tuple(_MODES)
