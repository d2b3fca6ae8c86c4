"""Fully convolutional residual network at full resolution."""

from typing import Any, ClassVar

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxrestore.models import layers
from jaxrestore.ops import ranges


class Generator(nn.Module):
    """Residual blocks at the resolution of the image, with a long skip.

    `blocks` blocks `width` wide between two convolutions; the input is added to the
    output. Receptive field 4 * blocks + 7 px. 1,222,147 parameters as it stands.

    Source: the standard FCN of the pixel-shuffle study named in
    `degradations.pixel_shuffle`, whose layers are not published; the blocks are those
    of EDSR (see `layers.Block`).
    """

    width: ranges.Count = 64
    blocks: ranges.CountOrNone = 16
    channels: ranges.Count = 3
    dtype: Any = jnp.float32

    scale: ClassVar[int] = 1
    multiple: ClassVar[int] = 1

    @property
    def reach(self) -> int:
        """A result's pixel sees so many px of the image to each side."""
        return 2 * self.blocks + 3

    @nn.compact
    def __call__(
        self, degraded: Float[Array, "b h w c"], *, train: bool
    ) -> tuple[Float[Array, "b h w d"], dict[str, Array]]:
        """Returns the restored images, not clipped, and no further outputs."""
        first = layers.Conv(self.width, dtype=self.dtype, name="first")(degraded)
        h = first
        for index in range(self.blocks):
            h = layers.Block(dtype=self.dtype, name=f"block{index}")(h)
        h = first + layers.Conv(self.width, dtype=self.dtype, name="skip")(h)
        residual = layers.residual_output(self.channels, self.dtype, "last")(h)
        restored = degraded[..., : self.channels] + residual.astype(jnp.float32)
        return restored, {}
