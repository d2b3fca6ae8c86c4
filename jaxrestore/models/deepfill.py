"""DeepFill: a hole is filled coarsely, then from patches of what is around it."""

from typing import Annotated, Any, ClassVar, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxrestore.models import layers
from jaxrestore.ops import attention, ranges

Features = Float[Array, "b h w c"]


class _Layer(NamedTuple):
    """One 3x3 convolution of `width` times the network's, or what it is instead."""

    width: float
    kernel: int = 3
    stride: int = 1
    dilation: int = 1
    doubles: bool = False
    relu: bool = False


_DILATED = tuple(_Layer(4, dilation=2**n) for n in range(1, 5))
_TWO = (_Layer(4), _Layer(4))
_COARSE = (
    *(_Layer(1, kernel=5), _Layer(2, stride=2), _Layer(2), _Layer(4, stride=2)),
    *(*_TWO, *_DILATED, *_TWO),
)
_REFINING = (_Layer(1, kernel=5), _Layer(1, stride=2), _Layer(2))
_INVENTING = (*_REFINING, _Layer(2, stride=2), *_TWO, *_DILATED)
_COMPARED = (*_REFINING, _Layer(4, stride=2), _Layer(4), _Layer(4, relu=True))
_UP = (_Layer(2, doubles=True), _Layer(2), _Layer(1, doubles=True), _Layer(0.5))


class Generator(nn.Module):
    """Two generators in a row; the second one looks for what fits the hole.

    It takes images whose last channel is the mask: above 0.5 is hole, and what stands
    there in the image is not looked at. The first stage fills the hole; the second
    has that beside the known pixels, and two branches: one of dilated convolutions, and
    one that is made anew of its own patches without a hole (`ops.attention`). The
    result has the known pixels of the input, bit for bit.

    A `gated` network, version 2, multiplies half of what each convolution makes by the
    sigmoid of the other half, and its images end in a tanh. Without it, version 1, they
    are clipped, and the second stage is told the mask too. `width` (a multiple of 4)
    counts the channels of the first convolution, both halves.

    4,052,478 parameters as it stands; 3,601,542 of version 1, with `gated` off and
    `width` 32.

    Source: Yu et al., "Generative image inpainting with contextual attention", CVPR
    2018, and "Free-form image inpainting with gated convolution", ICCV 2019. A place of
    the halved maps is hole here if any of its pixels is, there if its first one is;
    `attention.contextual` has its other differences.
    """

    gated: bool = True
    width: Annotated[int, ranges.Range(4, None, "multiples of 4", whole=True)] = 48
    channels: ranges.Count = 3
    dtype: Any = jnp.float32

    scale: ClassVar[int] = 1
    multiple: ClassVar[int] = 8

    @nn.compact
    def __call__(
        self, degraded: Float[Array, "b h w c"], *, train: bool
    ) -> tuple[Float[Array, "b h w d"], dict[str, Array]]:
        """Returns the restored images, and what the two stages made.

        `coarse` and `refined` are whole images, all of them in [0, 1]; `attention` is
        where each place of the map looks that has an eighth of the sides: [b, h / 8,
        w / 8, 2], offsets in places of it, rows and columns, of the patch of greatest
        weight.

        Raises `ValueError` for an input without a mask, for sides that do not divide by
        8, and for a width that does not divide by 4.
        """
        self._check(degraded)
        hole = degraded[..., -1:] > 0.5
        known, mask = degraded[..., :-1], hole.astype(jnp.float32)
        told = jnp.concatenate([jnp.ones_like(mask), mask], -1)
        emptied = jnp.where(hole, 0, 2 * known - 1)
        h = jnp.concatenate([emptied, told], -1)
        coarse = self._image(self._stack(h, _COARSE, "coarse"), "coarse")
        filled = jnp.where(hole, coarse, emptied)
        if not self.gated:
            filled = jnp.concatenate([filled, told], -1)
        invented = self._stack(filled, _INVENTING, "invented")
        compared = self._stack(filled, _COMPARED, "compared")
        answered, offsets = attention.contextual(compared, _any_of_16(mask))
        answered = self._stack(answered.astype(self.dtype), _TWO, "answered")
        joined = jnp.concatenate([invented, answered], -1)
        refined = self._image(self._stack(joined, _TWO, "joined"), "refined")
        coarse, refined = (coarse + 1) / 2, (refined + 1) / 2
        restored = jnp.where(hole, refined, known)
        aux = {"coarse": coarse, "refined": refined, "attention": offsets}
        return restored, aux

    def _check(self, degraded):
        height, width, channels = degraded.shape[1:]
        if channels != self.channels + 1:
            raise ValueError(
                f"deepfill takes {self.channels} channels of an image and its mask, "
                f"got {channels} channels; the degradation holes makes such images"
            )
        if height % self.multiple or width % self.multiple:
            raise ValueError(
                f"deepfill takes sides that divide by {self.multiple}, got "
                f"{height}x{width}; choose such crops"
            )
        if self.width % 4:
            raise ValueError(f"width is {self.width}; it must be a multiple of 4")

    def _stack(self, h, stack, name):
        for index, layer in enumerate(stack):
            h = self._layer(h, layer, f"{name}{index}")
        return h

    def _layer(self, h, layer, name):
        if layer.doubles:
            h = h.repeat(2, 1).repeat(2, 2)
        h = layers.Conv(
            int(layer.width * self.width),
            layer.kernel,
            layer.stride,
            padding="same",
            dilation=layer.dilation,
            kernel_init=nn.initializers.glorot_uniform(),
            dtype=self.dtype,
            name=name,
        )(h)
        activation = nn.relu if layer.relu else nn.elu
        if not self.gated:
            return activation(h)
        image, gate = jnp.split(h, 2, -1)
        return activation(image) * nn.sigmoid(gate)

    def _image(self, h, name):
        h = self._stack(h, _UP, f"{name}_up")
        h = layers.Conv(
            self.channels,
            kernel_init=nn.initializers.glorot_uniform(),
            dtype=self.dtype,
            name=f"{name}_image",
        )(h).astype(jnp.float32)
        return nn.tanh(h) if self.gated else jnp.clip(h, -1, 1)


def _any_of_16(mask):
    """Whether any pixel of each 4x4 block is hole, [b, h / 4, w / 4, 1]."""
    return jax.lax.reduce_window(
        mask, 0.0, jax.lax.max, (1, 4, 4, 1), (1, 4, 4, 1), "VALID"
    )
