"""SN-PatchGAN: a discriminator of filled images that holds its singular values at 1."""

from typing import Any, ClassVar

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxrestore.models import layers
from jaxrestore.ops import ranges

_WIDTHS = (1, 2, 4, 4, 4, 4)


class Discriminator(nn.Module):
    """Six strided convolutions, whose every value in the last map is a logit.

    It sees the image, in [-1, 1] inside, beside the mask, the last channel of the
    degraded one. Each convolution of 5x5 halves the map, has its largest singular
    value held at 1 and ends in a leaky ReLU of slope 0.2, the last one too: a logit is
    of any part and of any feature of the image. Without `spectral_norm` they are plain.

    5,946,816 parameters; 4x4 logits of 256 features for 256 px.

    Source: Yu et al., "Free-form image inpainting with gated convolution", ICCV 2019;
    spectral normalisation from Miyato et al., ICLR 2018.
    """

    filters: ranges.Count = 64
    spectral_norm: bool = True
    dtype: Any = jnp.float32

    conditional: ClassVar[bool] = True
    one_number: ClassVar[bool] = False
    norm: ClassVar[str] = "none"

    @nn.compact
    def __call__(
        self,
        image: Float[Array, "b h w c"],
        condition: Float[Array, "b h w d"],
        *,
        train: bool,
    ) -> Float[Array, "b hh ww f"]:
        """Returns float32 logits, one for each of 4 `filters` features of each place.

        The sides are divided by 64, rounded up. Of the condition, as large as the
        image, the mask alone is looked at.
        """
        h = jnp.concatenate([2 * image - 1, condition[..., -1:]], -1)
        for index, width in enumerate(_WIDTHS):
            conv = layers.Conv(
                width * self.filters,
                kernel=5,
                stride=2,
                padding="same",
                spectral_norm=self.spectral_norm,
                kernel_init=nn.initializers.glorot_uniform(),
                dtype=self.dtype,
                name=f"conv{index}",
            )
            h = nn.leaky_relu(conv(h, train=train), 0.2)
        return h.astype(jnp.float32)
