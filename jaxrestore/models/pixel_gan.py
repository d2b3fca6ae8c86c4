"""PixelGAN: a discriminator that judges every pixel by itself."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxrestore.models import layers
from jaxrestore.ops import ranges


class Discriminator(nn.Module):
    """Three 1x1 convolutions: a logit for every pixel, from its colour alone.

    It holds colours to their distribution and knows nothing of texture. The fields are
    those of `patchgan.Discriminator`. 9,024 parameters with batch normalisation,
    conditional, as it stands otherwise.

    Source: Isola et al., "Image-to-Image Translation with Conditional Adversarial
    Networks" (pix2pix), CVPR 2017; spectral normalisation from Miyato et al., ICLR
    2018.
    """

    filters: ranges.Count = 64
    norm: str = "instance"
    spectral_norm: bool = False
    conditional: bool = True
    centred: bool = False
    one_number: bool = False
    initialization: str = "normal"
    gain: ranges.NotNegative = 0.02
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(
        self,
        image: Float[Array, "b h w c"],
        condition: Float[Array, "b ch cw d"],
        *,
        train: bool,
    ) -> Float[Array, "b hh ww 1"]:
        """Returns float32 logits, one a pixel; [b, 1, 1, 1] with `one_number`.

        A `conditional` one needs a condition of the image's size.
        """
        # Also the last layer has none under batch normalisation: the reference's count.
        bias = self.norm != "batch"
        h = jnp.concatenate([condition, image], -1) if self.conditional else image
        h = 2 * h - 1 if self.centred else h
        h = self._conv(self.filters, True, "conv0")(h, train=train)
        h = nn.leaky_relu(h, 0.2)
        h = self._conv(2 * self.filters, bias, "conv1")(h, train=train)
        h = layers.Norm(self.norm, dtype=self.dtype, name="norm1")(h, train=train)
        h = nn.leaky_relu(h, 0.2)
        logits = self._conv(1, bias, "logits")(h, train=train).astype(jnp.float32)
        return logits.mean((1, 2), keepdims=True) if self.one_number else logits

    def _conv(self, features, bias, name):
        return layers.Conv(
            features,
            kernel=1,
            bias=bias,
            spectral_norm=self.spectral_norm,
            kernel_init=layers.initializer(self.initialization, self.gain),
            dtype=self.dtype,
            name=name,
        )
