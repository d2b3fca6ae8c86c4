"""The U-Net of pix2pix: down to one pixel and up again, skips joined as channels."""

from typing import Any, ClassVar

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxrestore.models import layers


class Generator(nn.Module):
    """`downs` strided 4x4 convolutions, as many transposed ones, and a tanh.

    Inside, images are in [-1, 1]. `downs=8` is unet_256, `downs=7` unet_128: the map
    shrinks by 2 ** downs, so 256 px become one pixel. `dropout` acts on the three
    inner levels of the widest, in training only. 54,413,955 parameters as it stands,
    41,828,995 with `downs=7`, some less with instance normalisation.

    Source: Isola et al., "Image-to-Image Translation with Conditional Adversarial
    Networks", CVPR 2017.
    """

    filters: int = 64
    downs: int = 8
    norm: str = "batch"
    dropout: float = 0.5
    channels: int = 3
    dtype: Any = jnp.float32

    scale: ClassVar[int] = 1

    @property
    def multiple(self) -> int:
        """Side lengths must divide by this."""
        return 2**self.downs

    @nn.compact
    def __call__(
        self, degraded: Float[Array, "b h w c"], *, train: bool
    ) -> tuple[Float[Array, "b h w d"], dict[str, Array]]:
        """Returns images in [0, 1], and no further outputs.

        In training it needs a key for `dropout`, unless that is 0.
        """
        widths = [self.filters * min(2**level, 8) for level in range(self.downs)]
        h = self._down(2 * degraded - 1, widths[0], 0)
        skips = [h]
        for level in range(1, self.downs):
            innermost = level == self.downs - 1
            norm = "none" if innermost else self.norm
            h = self._down(nn.leaky_relu(h, 0.2), widths[level], level)
            h = layers.Norm(norm, dtype=self.dtype, name=f"down{level}_norm")(
                h, train=train
            )
            skips.append(h)
        h = skips.pop()
        for level in range(self.downs - 1, 0, -1):
            h = self._up(nn.relu(h), widths[level - 1], level, bias=self._bias)
            h = layers.Norm(self.norm, dtype=self.dtype, name=f"up{level}_norm")(
                h, train=train
            )
            if 4 <= level < self.downs - 1:
                h = nn.Dropout(self.dropout, deterministic=not train)(h)
            h = jnp.concatenate([skips.pop(), h], -1)
        restored = nn.tanh(self._up(nn.relu(h), self.channels, 0, bias=True))
        return (restored.astype(jnp.float32) + 1) / 2, {}

    @property
    def _bias(self):
        # One before batch normalisation would be subtracted again.
        return self.norm != "batch"

    def _down(self, h, features, level):
        return layers.Conv(
            features,
            kernel=4,
            stride=2,
            padding=1,
            bias=self._bias,
            kernel_init=nn.initializers.normal(0.02),
            dtype=self.dtype,
            name=f"down{level}",
        )(h)

    def _up(self, h, features, level, *, bias):
        return layers.ConvTranspose(
            features,
            kernel=4,
            stride=2,
            padding=1,
            bias=bias,
            kernel_init=nn.initializers.normal(0.02),
            dtype=self.dtype,
            name=f"up{level}",
        )(h)
