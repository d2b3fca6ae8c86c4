"""The discriminator of Real-ESRGAN: a U-Net that judges every pixel."""

import functools
from typing import Any, ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxrestore.models import layers
from jaxrestore.ops import ranges

_MULTIPLE = 8  # of three halvings

# PyTorch's own, of the reference.
_usual = nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")


class Discriminator(nn.Module):
    """Three strided convolutions down, three enlargements up, a logit for every pixel.

    The maps of the way down are added to those of the way up, after the activation
    (leaky ReLU of slope 0.2). All convolutions but the first and the last have their
    largest singular value held at 1 and no bias; without `spectral_norm` they are
    plain. It judges an image by itself, not beside the degraded one. 4,376,897
    parameters.

    Source: `UNetDiscriminatorSN` of Wang et al., "Real-ESRGAN: Training Real-World
    Blind Super-Resolution with Pure Synthetic Data", ICCVW 2021; spectral
    normalisation from Miyato et al., ICLR 2018.
    """

    filters: ranges.Count = 64
    spectral_norm: bool = True
    dtype: Any = jnp.float32

    conditional: ClassVar[bool] = False
    one_number: ClassVar[bool] = False  # a logit a pixel
    norm: ClassVar[str] = "none"

    @nn.compact
    def __call__(
        self,
        image: Float[Array, "b h w c"],
        condition: Float[Array, "b ch cw d"],
        *,
        train: bool,
    ) -> Float[Array, "b h w 1"]:
        """Returns float32 logits, one a pixel; the condition is not looked at.

        Raises `ValueError` for sides that do not divide by 8.
        """
        height, width = image.shape[1:3]
        if height % _MULTIPLE or width % _MULTIPLE:
            raise ValueError(
                f"unet_discriminator takes sides that divide by {_MULTIPLE}, got "
                f"{height}x{width}; choose such crops"
            )
        maps = [nn.leaky_relu(self._outer(self.filters, "first")(image), 0.2)]
        for level in (1, 2, 3):
            features = self.filters * 2**level
            maps.append(self._held(maps[-1], features, f"down{level}", train, stride=2))
        h = maps.pop()
        for level in (2, 1, 0):
            features = self.filters * 2**level
            h = self._held(_doubled(_doubled(h, 1), 2), features, f"up{level}", train)
            h = h + maps[level]
        for name in ("high0", "high1"):
            h = self._held(h, self.filters, name, train)
        return self._outer(1, "logits")(h).astype(jnp.float32)

    def _held(self, h, features, name, train, stride=1):
        conv = layers.Conv(
            features,
            kernel=stride + 2,  # 3x3 keeps the sides, 4x4 halves them
            stride=stride,
            padding=1,
            bias=False,
            spectral_norm=self.spectral_norm,
            kernel_init=_usual,
            dtype=self.dtype,
            name=name,
        )
        return nn.leaky_relu(conv(h, train=train), 0.2)

    def _outer(self, features, name):
        return layers.Conv(features, kernel_init=_usual, dtype=self.dtype, name=name)


def _doubled(x, axis):
    """Twice the pixels along `axis`, each between two old ones, three times nearer one.

    Beyond its border the image repeats its edge: PyTorch's bilinear interpolation
    without aligned corners. In sums of shifted copies, which stay in the maps' dtype.
    """
    parts = functools.partial(jax.lax.slice_in_dim, x, axis=axis)
    count = x.shape[axis]
    before = jnp.concatenate([parts(0, 1), parts(0, count - 1)], axis)
    after = jnp.concatenate([parts(1, count), parts(count - 1, count)], axis)
    pairs = jnp.stack([0.75 * x + 0.25 * side for side in (before, after)], axis + 1)
    return pairs.reshape(*x.shape[:axis], 2 * count, *x.shape[axis + 1 :])
