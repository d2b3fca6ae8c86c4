"""The critics of DeepFill: one of the whole image, one of what is around its hole."""

from typing import Any, ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxrestore.models import layers
from jaxrestore.ops import ranges

_WHOLE, _AROUND = (1, 2, 4, 4), (1, 2, 4, 8)


class Discriminator(nn.Module):
    """Four strided convolutions and a dense layer, twice: a logit of each critic.

    The local critic sees a crop of half the sides, in whose middle lies the box around
    the hole, moved as far as the image needs it; where there is no hole, the middle of
    the image. The hole is the last channel of the degraded image, above 0.5. Images
    are in [-1, 1] inside; convolutions are 5x5, with a leaky ReLU of slope 0.2. Both
    dense layers have a weight for each value of the last map, so that it judges images
    of one size.

    At 256 px 2,733,441 parameters of the whole image and 4,339,329 of the crop.

    Source: Yu et al., "Generative image inpainting with contextual attention", CVPR
    2018, after Iizuka et al., "Globally and Locally Consistent Image Completion",
    SIGGRAPH 2017.
    """

    filters: ranges.Count = 64
    dtype: Any = jnp.float32

    conditional: ClassVar[bool] = True
    one_number: ClassVar[bool] = True
    spectral_norm: ClassVar[bool] = False
    norm: ClassVar[str] = "none"

    @nn.compact
    def __call__(
        self,
        image: Float[Array, "b h w c"],
        condition: Float[Array, "b h w d"],
        *,
        train: bool,
    ) -> Float[Array, "b 2"]:
        """Returns float32 logits, of the whole image and of the crop around its hole.

        Of the condition, as large as the image, the mask alone is looked at.
        """
        image = 2 * image - 1
        crop = around_hole(image, condition[..., -1:])
        whole = self._critic(image, _WHOLE, "whole")
        return jnp.concatenate([whole, self._critic(crop, _AROUND, "around")], -1)

    def _critic(self, h, widths, name):
        init = nn.initializers.glorot_uniform()
        for index, width in enumerate(widths):
            conv = layers.Conv(
                width * self.filters,
                kernel=5,
                stride=2,
                padding="same",
                kernel_init=init,
                dtype=self.dtype,
                name=f"{name}{index}",
            )
            h = nn.leaky_relu(conv(h), 0.2)
        logit = nn.Dense(1, dtype=self.dtype, kernel_init=init, name=f"{name}_logit")
        return logit(h.reshape(len(h), -1)).astype(jnp.float32)


def around_hole(
    images: Float[Array, "b h w c"], mask: Float[Array, "b h w 1"]
) -> Float[Array, "b hh ww c"]:
    """Returns the crop of half the sides, rounded up, around the hole of each image.

    Its middle is that of the box around all that is above 0.5, or of the image where
    nothing is, moved into the image.
    """
    sides = images.shape[1:3]
    lengths = [-(-side // 2) for side in sides]
    hole = mask[..., 0] > 0.5
    starts = [
        _starts(hole.any(3 - axis), length)
        for axis, length in zip((1, 2), lengths, strict=True)
    ]

    def crop(image, *starts):
        return jax.lax.dynamic_slice(image, (*starts, 0), (*lengths, image.shape[-1]))

    return jax.vmap(crop)(images, *starts)


def _starts(touched, length):
    """Where a crop along one side begins; `touched` [b, side] is where the hole is."""
    side = touched.shape[1]
    first = jnp.where(touched.any(1), touched.argmax(1), 0)
    last = jnp.where(touched.any(1), side - 1 - touched[:, ::-1].argmax(1), side - 1)
    return jnp.clip((first + last + 1 - length) // 2, 0, side - length)
