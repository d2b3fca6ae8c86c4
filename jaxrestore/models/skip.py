"""The hourglass of Deep Image Prior, whose form alone prefers natural images."""

from typing import Annotated, Any, ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxrestore.models import layers
from jaxrestore.ops import doubled, products, ranges

# As PyTorch draws weights, by name or not: uniform, of variance 1 / (3 fan-in).
_INIT = nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")


class Generator(nn.Module):
    """Halves a map level by level, and enlarges it again beside narrow skips.

    Level i halves the map by a strided convolution, to `widths[i]` channels; a 1x1
    convolution takes `skips[i]` channels past it, none for 0. On the way up the map is
    enlarged by `upsampling`, joined with the skip, convolved with 3x3 weights and, if
    `pointwise`, with 1x1. Each of these is normalised, image by image, and passes a
    leaky ReLU; the last is a sigmoid, so that images lie in [0, 1]. `kernel` is the
    side of the weights on the way down. Convolutions pad zeros on the way down; on the
    way up they repeat the edge, which is what makes them quick (`ops/doubled.py`).

    What it takes is a code, of any number of channels, from which it is fitted to one
    image; it can be trained on pairs as any other. With a code of 32 channels it has
    2,217,831 parameters as it stands, the published number.

    Source: Ulyanov, Vedaldi, Lempitsky, "Deep Image Prior", CVPR 2018, whose borders
    are mirrored. Normalisation is its batch normalisation on batches of one image.
    """

    widths: ranges.Counts = (128, 128, 128, 128, 128)
    skips: ranges.CountsOrNone = (4, 4, 4, 4, 4)
    upsampling: Annotated[str, ranges.Words(doubled.METHODS)] = "bilinear"
    kernel: ranges.Count = 3
    pointwise: bool = True
    channels: ranges.Count = 3
    dtype: Any = jnp.float32

    scale: ClassVar[int] = 1

    @property
    def multiple(self) -> int:
        """Side lengths must divide by this."""
        return 2 ** len(self.widths)

    @nn.compact
    def __call__(
        self, degraded: Float[Array, "b h w c"], *, train: bool
    ) -> tuple[Float[Array, "b h w d"], dict[str, Array]]:
        """Returns the images, in [0, 1], and no further outputs.

        Raises `ValueError` unless there are as many `skips` as `widths`.
        """
        if len(self.skips) != len(self.widths):
            raise ValueError(
                f"skip has {len(self.widths)} levels (widths) and {len(self.skips)} "
                "skips; give one number a level for both, 0 for no skip"
            )
        h, passed = degraded.astype(self.dtype), []
        for level, (width, skip) in enumerate(
            zip(self.widths, self.skips, strict=True)
        ):
            passed.append(self._dense(h, skip, f"skip{level}") if skip else None)
            h = self._conv(h, width, 2, f"down{level}_conv0")
            h = self._conv(h, width, 1, f"down{level}_conv1")
        for level, width in reversed([*enumerate(self.widths)]):
            h = self._up(h, passed[level], width, f"up{level}_conv0")
            if self.pointwise:
                h = self._dense(h, width, f"up{level}_conv1")
        image = _Dense(self.channels, dtype=self.dtype, name="last")(h)
        return nn.sigmoid(image.astype(jnp.float32)), {}

    def _conv(self, h, features, stride, name):
        conv = layers.Conv(
            features,
            self.kernel,
            stride,
            kernel_init=_INIT,
            dtype=self.dtype,
            name=name,
        )
        return self._act(conv(h), name)

    def _dense(self, h, features, name):
        dense = _Dense(features, dtype=self.dtype, name=name)
        return self._act(dense(h), name)

    def _up(self, h, skip, features, name):
        up = _Up(features, self.upsampling, dtype=self.dtype, name=name)
        return self._act(up(h, skip), name)

    def _act(self, h, name):
        norm = _Norm(dtype=self.dtype, name=f"{name}_norm")
        return nn.leaky_relu(norm(h), 0.2)


def _beside(skip, kernel):
    """The convolution of a few channels, edge repeated, as one product of matrices."""
    framed = jnp.pad(skip, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
    height, width = skip.shape[1:3]
    windows = [
        framed[:, row : row + height, column : column + width]
        for row in range(3)
        for column in range(3)
    ]
    weights = kernel.reshape(-1, kernel.shape[-1])
    return products.product(jnp.concatenate(windows, -1), weights)


class _Dense(nn.Module):
    """A 1x1 convolution as a product of matrices, and so are its gradients."""

    features: int
    dtype: Any

    @nn.compact
    def __call__(self, x):
        kernel = self.param("kernel", _INIT, (x.shape[-1], self.features))
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        y = products.product(x.astype(self.dtype), kernel.astype(self.dtype))
        return y + bias.astype(self.dtype)


class _Norm(nn.Module):
    """Instance normalisation with a scale and a bias, of a map or of it enlarged."""

    enlarged: str | None = None
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x):
        scale = self.param("scale", nn.initializers.ones, x.shape[-1:])
        bias = self.param("bias", nn.initializers.zeros, x.shape[-1:])
        x = x.astype(jnp.float32)
        mean = x.mean((1, 2), keepdims=True)
        # Enlarged by `nearest` a map has the variance that it has.
        square = doubled.mean_square(x, self.enlarged or "nearest")
        share = scale * jax.lax.rsqrt(jnp.maximum(square - mean**2, 0) + 1e-5)
        return (x * share + (bias - mean * share)).astype(self.dtype)


class _Up(nn.Module):
    """The convolution of a skip and an enlarged map, joined and normalised."""

    features: int
    method: str
    dtype: Any

    @nn.compact
    def __call__(self, h, skip):
        narrow = 0 if skip is None else skip.shape[-1]
        shape = (3, 3, narrow + h.shape[-1], self.features)
        kernel = self.param("kernel", _INIT, shape).astype(self.dtype)
        bias = self.param("bias", nn.initializers.zeros, shape[-1:])
        h = _Norm(self.method, self.dtype, name="deep_norm")(h)
        y = doubled.convolve(h, kernel[:, :, narrow:], self.method)
        if skip is not None:
            skip = _Norm(dtype=self.dtype, name="skip_norm")(skip)
            y = y + _beside(skip, kernel[:, :, :narrow])
        return y + bias.astype(self.dtype)
