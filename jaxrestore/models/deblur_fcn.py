"""Encoder and decoder of unpadded convolutions for deblurring, and their judge.

Both take images in [0, 1] and standardise them inside by the mean and the deviation of
ImageNet, so that losses and metrics see [0, 1] on either side.
"""

import functools
import operator
from typing import Annotated, Any, ClassVar

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jax import core
from jaxtyping import Array, Float

from jaxrestore.models import layers
from jaxrestore.ops import ranges, sides

# Of ImageNet's red, green and blue: what torchvision's networks are fed with.
_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
_DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)

# The smallest side, and the number that sides must divide by, for maps that meet: of
# 4 m px the encoder makes 4m-2, 2m-2, 2m-4, m-3 and m-5, the decoder the way back.
_SMALLEST, _MULTIPLE = 24, 4

_JUDGED = 13  # side of the last map of the judge of 64 px


class Generator(nn.Module):
    """Five convolutions down, six transposed ones up, three concatenations between.

    No layer pads; at 64 px the sides are 62, 30, 28, 13, 11 and 13, 28, 30, 61, 62,
    64. Images of other sides are mirrored below and to the right and the result is
    cropped, so that any side will do; `border` px more are mirrored on every side, for
    pictures whose margin matters. ReLU after all layers but the last, which is linear;
    with `norm` another than "none" (`layers.Norm`), a normalisation before each ReLU.
    A `residual` one adds to its input and starts as the identity. The first three
    channels are the colours that come back; others are further inputs.

    6,092,387 parameters at 64 filters, 6,096,067 with batch normalisation; `filters`
    divides by 4.

    Source: the layer table of a student project that deblurs faces (CelebA, 64 px) with
    an adversary, after Ronneberger et al., "U-Net", MICCAI 2015. It names neither
    `residual` nor the padding.
    """

    filters: Annotated[int, ranges.Range(4, None, "divides by 4", whole=True)] = 64
    norm: str = "none"
    residual: bool = False
    border: ranges.CountOrNone = 0
    dtype: Any = jnp.float32

    scale: ClassVar[int] = 1
    multiple: ClassVar[int] = 1

    @nn.compact
    def __call__(
        self, degraded: Float[Array, "b h w c"], *, train: bool
    ) -> tuple[Float[Array, "b h w 3"], dict[str, Array]]:
        """Returns the restored images, float32 and not clipped; no further outputs.

        Raises `ValueError` for filters that do not divide by 4.
        """
        if self.filters % 4:
            raise ValueError(f"filters is {self.filters}; it must divide by 4")
        height, width = degraded.shape[1:3]
        h = _standardised(_framed(degraded, self.border))
        kept = []
        for level, (share, stride) in enumerate(_DOWN):
            h = self._down(h, share, stride, f"down{level}", train)
            kept.append(h)
        for level, (share, kernel, stride, skip) in enumerate(_UP):
            h = self._up(h, share, kernel, stride, f"up{level}", train)
            if skip is not None:
                h = jnp.concatenate([h, kept[skip]], -1)
        h = self._last(h).astype(jnp.float32)
        rows, columns = (slice(self.border, self.border + x) for x in (height, width))
        start = degraded[..., :3] if self.residual else jnp.asarray(_MEAN)
        return start + _DEVIATION * h[:, rows, columns], {}

    def _down(self, h, share, stride, name, train):
        features = int(share * self.filters)
        conv = layers.Conv(
            features, stride=stride, padding=0, dtype=self.dtype, name=name
        )
        return self._activated(conv(h), f"{name}_norm", train)

    def _up(self, h, share, kernel, stride, name, train):
        conv = layers.ConvTranspose(
            int(share * self.filters),
            kernel=kernel,
            stride=stride,
            padding=0,
            dtype=self.dtype,
            name=name,
        )
        return self._activated(conv(h), f"{name}_norm", train)

    def _activated(self, h, name, train):
        return nn.relu(layers.Norm(self.norm, self.dtype, name=name)(h, train=train))

    def _last(self, h):
        # Zeros, as of `layers.residual_output`: the identity without a small factor.
        usual = layers.ConvTranspose.kernel_init
        init = nn.initializers.zeros if self.residual else usual
        return layers.ConvTranspose(
            3,
            kernel=3,
            stride=1,
            padding=0,
            kernel_init=init,
            dtype=self.dtype,
            name="last",
        )(h)


# Features as a share of `filters`, and stride, of convolutions of 3x3.
_DOWN = ((1, 1), (2, 2), (4, 1), (8, 2), (8, 1))
# The same of transposed convolutions, with the kernel's side and the map of the encoder
# that is concatenated behind.
_UP = (
    (2, 3, 1, 3),
    (2, 4, 2, 2),
    (1, 3, 1, 1),
    (0.5, 3, 2, None),
    (0.25, 2, 1, 0),
)


class Discriminator(nn.Module):
    """Four unpadded convolutions, and one logit an image.

    It judges the image by itself; a `conditional` one sees the degraded image beside
    it, in six channels. ReLU after each convolution, then, but for the last, a
    normalisation (`layers.Norm`). `head` is `dense`, a weight for each number of the
    13x13 map that 64 px leave (other sides are averaged to 13x13), or `average`, the
    mean of the map before the weights.

    1,638,401 parameters at 64 filters (`average`: 1,552,385). A number of the last map
    sees 13 px.

    Source: as of `Generator`; the averaged windows are those of PyTorch's
    `AdaptiveAvgPool2d`.
    """

    filters: ranges.Count = 64
    norm: str = "batch"
    conditional: bool = False
    head: str = "dense"
    dtype: Any = jnp.float32

    one_number: ClassVar[bool] = True  # for an image, not for each of its patches

    @nn.compact
    def __call__(
        self,
        image: Float[Array, "b h w 3"],
        condition: Float[Array, "b ch cw d"],
        *,
        train: bool,
    ) -> Float[Array, "b 1 1 1"]:
        """Returns float32 logits; raises `ValueError` for an unknown head.

        A `conditional` one needs a condition of the image's size.
        """
        h = _standardised(image)
        if self.conditional:
            h = jnp.concatenate([_standardised(condition), h], -1)
        for level, (share, stride) in enumerate(_DOWN[:4]):
            conv = layers.Conv(
                share * self.filters,
                stride=stride,
                padding=0,
                dtype=self.dtype,
                name=f"conv{level}",
            )
            h = nn.relu(conv(h))
            if level < 3:
                norm = layers.Norm(self.norm, self.dtype, name=f"norm{level}")
                h = norm(h, train=train)
        # It starts undecided: over so many numbers even small weights throw the
        # generator about before it has drawn anything.
        init = nn.initializers.zeros
        dense = nn.Dense(1, dtype=self.dtype, kernel_init=init, name="logits")
        logits = dense(self._pooled(h))
        return logits.astype(jnp.float32)[:, None, None]

    def _pooled(self, h):
        if self.head == "average":
            return h.mean((1, 2))
        if self.head == "dense":
            rows, columns = (_windows(side).astype(h.dtype) for side in h.shape[1:3])
            pooled = jnp.einsum("bhwc,rh,sw->brsc", h, rows, columns)
            return pooled.reshape(len(h), -1)
        raise ValueError(f"head is {self.head!r}; it must be dense or average")


def _standardised(images):
    """Standardises the colours; channels behind them pass as they are."""
    colours = (images[..., :3] - _MEAN) / _DEVIATION
    return jnp.concatenate([colours, images[..., 3:]], -1)


def _framed(images, border):
    """Mirrors `border` px around, and more below and right until the maps meet."""
    pads = []
    for side in images.shape[1:3]:
        least = _SMALLEST // _MULTIPLE
        blocks = core.max_dim(least, -(-(side + 2 * border) // _MULTIPLE))
        pads.append((border, blocks * _MULTIPLE - side - border))
    if sides.are_unknown(images):
        rooms = (
            jnp.asarray(room) < side
            for pad, side in zip(pads, images.shape[1:3], strict=True)
            for room in pad
        )
        return sides.mirrored(images, pads, fits=functools.reduce(operator.and_, rooms))
    # An image too small to be mirrored so far has its edge repeated.
    fits = all(max(pad) < s for pad, s in zip(pads, images.shape[1:3], strict=True))
    mode = "reflect" if fits else "edge"
    return jnp.pad(images, ((0, 0), *pads, (0, 0)), mode=mode)


def _windows(side):
    """[13, side]: window i averages the pixels from i n / 13 to (i + 1) n / 13."""
    start = np.arange(_JUDGED)[:, None] * side // _JUDGED
    stop = -(-np.arange(1, _JUDGED + 1)[:, None] * side // _JUDGED)
    pixel = np.arange(side)
    inside = (pixel >= start) & (pixel < stop)
    return jnp.asarray(inside / inside.sum(1, keepdims=True))
