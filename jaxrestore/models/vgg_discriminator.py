"""The discriminator of SRGAN and ESRGAN: one judgement of an image of one size."""

from typing import Annotated, Any, ClassVar

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxrestore.models import layers
from jaxrestore.ops import ranges

_JUDGED = 4  # side of the last map

# PyTorch's own, of the reference.
_usual = nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")


class Discriminator(nn.Module):
    """Pairs of convolutions that halve the image down to 4x4, then two dense layers.

    The first convolution of a pair doubles the maps, from `filters` up to 8 times as
    many, the second, of stride 2, halves their sides. Every convolution but the first
    is normalised (`layers.Norm`); leaky ReLU of slope 0.2. It judges images of `side`
    px (4 times a power of 2) by themselves, not beside the degraded one.

    14,499,401 parameters as it stands, 21,055,049 at 256 px.

    Source: Ledig et al., "Photo-Realistic Single Image Super-Resolution Using a
    Generative Adversarial Network", CVPR 2017, as `VGGStyleDiscriminator` of BasicSR
    has it for Wang et al., "ESRGAN", ECCVW 2018. Biases start at 0 here, at
    small random numbers there; `layers.Norm` draws the scales of the normalisation.
    """

    filters: ranges.Count = 64
    side: Annotated[int, ranges.Range(8, None, "4 * 2 ** n", whole=True)] = 128
    hidden: ranges.Count = 100
    norm: str = "batch"
    dtype: Any = jnp.float32

    conditional: ClassVar[bool] = False
    one_number: ClassVar[bool] = True  # for an image, not for each of its patches
    spectral_norm: ClassVar[bool] = False

    @nn.compact
    def __call__(
        self,
        image: Float[Array, "b h w c"],
        condition: Float[Array, "b ch cw d"],
        *,
        train: bool,
    ) -> Float[Array, "b 1 1 1"]:
        """Returns float32 logits, one an image; the condition is not looked at.

        Raises `ValueError` for images of another side than `side`, and for a side that
        cannot be halved to 4.
        """
        pairs = self._pairs(image)
        h = image
        for pair in range(pairs):
            features = self.filters * min(2**pair, 8)
            norm = self.norm if pair else "none"
            h = self._conv(h, features, 3, f"conv{pair}", norm, train)
            h = self._conv(h, features, 4, f"down{pair}", self.norm, train)
        h = h.reshape(len(h), -1)
        h = nn.leaky_relu(self._dense(self.hidden, "hidden")(h), 0.2)
        return self._dense(1, "logits")(h).astype(jnp.float32)[:, None, None]

    def _pairs(self, image):
        times, rest = divmod(self.side, _JUDGED)
        if rest or times < 2 or times.bit_count() != 1:
            raise ValueError(
                f"side is {self.side}; it must be {_JUDGED} times a power of 2: 8, "
                "16, 32, 64, 128, 256, ..."
            )
        height, width = image.shape[1:3]
        if (height, width) != (self.side, self.side):
            raise ValueError(
                f"vgg_discriminator judges images of {self.side}x{self.side}, got "
                f"{height}x{width}; set its option side to that of the crops"
            )
        return times.bit_length() - 1

    def _conv(self, h, features, kernel, name, norm, train):
        conv = layers.Conv(
            features,
            kernel=kernel,
            stride=kernel - 2,  # 3x3 keeps the sides, 4x4 halves them
            padding=1,
            bias=norm != "batch",
            kernel_init=_usual,
            dtype=self.dtype,
            name=name,
        )
        layer = layers.Norm(norm, dtype=self.dtype, name=f"{name}_norm")
        return nn.leaky_relu(layer(conv(h), train=train), 0.2)

    def _dense(self, features, name):
        return nn.Dense(features, dtype=self.dtype, kernel_init=_usual, name=name)
