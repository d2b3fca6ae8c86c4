"""GAN modes: what the two players minimise, as functions of logits; and penalties.

A mode returns values for each logit; the caller takes the means. Both sides receive
the logits of real and of fake images, since some modes compare the two. Everywhere the
discriminator's loss is half the sum of its two means, also where a paper has the whole
sum: the hinge of Lim and Ye, the critic of WGAN.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

Images = Float[Array, "b h w c"]
Logits = Float[Array, "..."]
Values = Callable[[Logits], Logits]

PENALTIES = ("none", "gradient", "gradient_damaged", "r1")


class GanMode(NamedTuple):
    """A GAN objective.

    `generator(real, fake)` returns values to minimise, shaped as `fake`.
    `discriminator(real, fake)` returns the values of the real and of the fake logits,
    shaped as they are; the loss is half the sum of their means.
    `boundary(others)` is the logit above which an image counts as judged real, where
    `others` are the logits of the other side; most modes do not look at them.
    """

    generator: Callable[[Logits, Logits], Logits]
    discriminator: Callable[[Logits, Logits], tuple[Logits, Logits]]
    boundary: Callable[[Logits], float | Float[Array, ""]]


def mode(name: str) -> GanMode:
    """Returns the mode called `name`; raises `ValueError` naming those there are.

    >>> real, fake = jnp.array([1.0, 0.0]), jnp.array([0.0, 0.5])
    >>> adversarial.mode("lsgan").generator(real, fake)
    Array([1.  , 0.25], dtype=float32)
    """
    if name not in _MODES:
        raise ValueError(f"adversarial mode {name!r}; there is {', '.join(MODES)}")
    return _MODES[name]


def discriminator_loss(mode: GanMode, real: Logits, fake: Logits) -> Float[Array, ""]:
    """Returns half the sum of the mean real and the mean fake value.

    >>> real, fake = jnp.array([2.0, 0.0]), jnp.array([-2.0, 0.0])
    >>> adversarial.discriminator_loss(adversarial.mode("hinge"), real, fake)
    Array(0.5, dtype=float32)
    """
    real_values, fake_values = mode.discriminator(real, fake)
    return (real_values.mean() + fake_values.mean()) / 2


def gradient_penalty(
    key: PRNGKeyArray,
    judge: Callable[[Images], Logits],
    real: Images,
    fake: Images,
    *,
    mask: Float[Array, "b h w 1"] | None = None,
    target: float = 1.0,
) -> Float[Array, ""]:
    """Returns the mean of `(norm - target)^2`, norms of gradients between the images.

    The gradient is that of an image's mean logit, for a random mixture of each real
    image with its fake one. `judge` must look at each image by itself. Logits [b, n]
    are those of n critics: each has gradients and a penalty of its own, and their mean
    is returned, as the mean of their logits is what they are trained on. With `mask`,
    1 in a hole and 0 elsewhere, a norm is that of the pixels in the hole, the only
    ones in which an image differs from its completion.

    The paper's weight is 10, beside the whole sum of the critic's two means. A norm has
    1e-12 under its root, so that a gradient of 0 can be differentiated.

    Source: Gulrajani et al., "Improved Training of Wasserstein GANs", NeurIPS 2017; the
    mask and a penalty for each of two critics are those of Yu et al., "Generative Image
    Inpainting with Contextual Attention", CVPR 2018.

    >>> judge = lambda images: 2 * images.sum((1, 2, 3))  # a gradient of norm 4
    >>> real, fake = jnp.ones((2, 2, 2, 1)), jnp.zeros((2, 2, 2, 1))
    >>> adversarial.gradient_penalty(jax.random.key(0), judge, real, fake)
    Array(9., dtype=float32)
    """
    share = jax.random.uniform(key, (len(real), 1, 1, 1))
    squares = _squared_gradients(judge, share * real + (1 - share) * fake, mask)
    return jnp.square(jnp.sqrt(squares + 1e-12) - target).mean()


def r1(judge: Callable[[Images], Logits], real: Images) -> Float[Array, ""]:
    """Returns the mean squared norm of the gradient at the real images.

    The gradient is that of an image's mean logit, or of each of n critics where logits
    are [b, n]; `judge` must look at each image by itself. The paper's weight is
    gamma / 2, with gamma 10, beside the whole sum of the discriminator's two means.

    Source: Mescheder, Geiger, Nowozin, "Which Training Methods for GANs do actually
    Converge?", ICML 2018.

    >>> judge = lambda images: 2 * images.sum((1, 2, 3))  # a gradient of norm 4
    >>> adversarial.r1(judge, jnp.ones((2, 2, 2, 1)))
    Array(16., dtype=float32)
    """
    return _squared_gradients(judge, real).mean()


def _squared_gradients(judge, images, mask=None):
    """[n, b]: for each critic and image, the squared norm of the logit's gradient."""

    def scores(images):
        logits = judge(images)
        if logits.ndim != 2:  # of one critic: a number an image, or one a patch
            logits = logits.reshape(len(images), -1).mean(-1, keepdims=True)
        return logits.sum(0)

    sums, gradients_of = jax.vjp(scores, images)
    found = []
    for critic in jnp.eye(len(sums), dtype=sums.dtype):
        squares = jnp.square(gradients_of(critic)[0])
        found.append((squares if mask is None else squares * mask).sum((1, 2, 3)))
    return jnp.stack(found)


def _absolute(as_real: Values, as_fake: Values, boundary: float) -> GanMode:
    """Each logit is judged by itself; the generator wants its images called real."""
    return GanMode(
        generator=lambda real, fake: as_real(fake),
        discriminator=lambda real, fake: (as_real(real), as_fake(fake)),
        boundary=lambda others: boundary,
    )


def _relativistic(as_real: Values, as_fake: Values) -> GanMode:
    """Each logit is judged less the mean of the other side, over all that is given.

    That is the whole batch, on however many devices; where gradients are accumulated,
    the part at hand.

    The generator wants fake called real and real called fake: half of the sum, as the
    discriminator has it, so that exchanging the sides exchanges the players. Gradients
    run through the means. BasicSR detaches the real logits in the generator's step,
    which changes nothing: no gradient of a generator comes through them.

    Source: Jolicoeur-Martineau, "The relativistic discriminator: a key element missing
    from standard GAN", ICLR 2019; its average forms.
    """

    def generator(real, fake):
        called_fake = as_fake(real - fake.mean()).mean()
        return (as_real(fake - real.mean()) + called_fake) / 2

    return GanMode(
        generator=generator,
        discriminator=lambda real, fake: (
            as_real(real - fake.mean()),
            as_fake(fake - real.mean()),
        ),
        boundary=lambda others: others.mean(),
    )


# Source: Goodfellow et al., "Generative Adversarial Nets", NeurIPS 2014, with the
# non-saturating generator of its section 3. softplus(-x) is -log(sigmoid(x)).
_VANILLA = _absolute(lambda x: jax.nn.softplus(-x), jax.nn.softplus, 0.0)

# Source: Mao et al., "Least Squares Generative Adversarial Networks", ICCV 2017, with
# the labels 1 (real) and 0 (fake) of pix2pix.
_LSGAN = _absolute(lambda x: jnp.square(x - 1), jnp.square, 0.5)

# Source: Lim and Ye, "Geometric GAN", 2017, arXiv:1705.02894. The generator's value is
# the critic's, without a margin.
_HINGE = GanMode(
    generator=lambda real, fake: -fake,
    discriminator=lambda real, fake: (jax.nn.relu(1 - real), jax.nn.relu(1 + fake)),
    boundary=lambda others: 0.0,
)

# Source: Arjovsky, Chintala, Bottou, "Wasserstein GAN", ICML 2017. A critic's logits
# mean nothing but their differences, so the boundary is the mean of the other side.
_WGAN = GanMode(
    generator=lambda real, fake: -fake,
    discriminator=lambda real, fake: (-real, fake),
    boundary=lambda others: others.mean(),
)

_MODES = {
    "vanilla": _VANILLA,
    "lsgan": _LSGAN,
    "hinge": _HINGE,
    "wgan": _WGAN,
    "relativistic_vanilla": _relativistic(
        lambda x: jax.nn.softplus(-x), jax.nn.softplus
    ),
    "relativistic_lsgan": _relativistic(
        lambda x: jnp.square(x - 1), lambda x: jnp.square(x + 1)
    ),
}
MODES = tuple(_MODES)
