"""The discriminator of DCGAN, shown two images: one judgement of a whole pair."""

from typing import Any, ClassVar

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxrestore.models import layers
from jaxrestore.ops import ranges

HEADS = ("dense", "hidden", "average")


class Discriminator(nn.Module):
    """Four strided convolutions, and a `head` that makes one logit of their map.

    A `conditional` one sees the degraded image beside the judged one. The head is
    `dense`, a weight for every value of the map; `hidden`, dense layers of 64 and 1;
    or `average`, dense over the mean of the map. The first two judge images of the one
    size that they were made for. Before batch normalisation no layer has a bias, nor
    has the first, which is not normalised.

    2,891,521, 11,149,185 and 2,760,961 parameters on images of 256 px.

    Source: Radford et al., "Unsupervised Representation Learning with Deep
    Convolutional Generative Adversarial Networks", ICLR 2016, with the pairs of Isola
    et al., "Image-to-Image Translation with Conditional Adversarial Networks", CVPR
    2017; four layers and a dense end from a comparison of a VAE with a GAN on damaged
    faces, known by description only. The heads and their weights at the start are ours.
    """

    filters: ranges.Count = 64
    head: str = "dense"
    norm: str = "batch"
    spectral_norm: bool = False
    conditional: bool = True
    dtype: Any = jnp.float32

    one_number: ClassVar[bool] = True  # for an image, not for each of its patches

    @nn.compact
    def __call__(
        self,
        image: Float[Array, "b h w c"],
        condition: Float[Array, "b ch cw d"],
        *,
        train: bool,
    ) -> Float[Array, "b 1 1 1"]:
        """Returns float32 logits, one an image.

        A `conditional` one needs a condition of the image's size. Raises `ValueError`
        for an unknown head.
        """
        h = jnp.concatenate([condition, image], -1) if self.conditional else image
        for level in range(4):
            features, norm = self.filters * 2**level, self.norm if level else "none"
            h = self._conv(features, level)(h, train=train)
            h = layers.Norm(norm, dtype=self.dtype, name=f"norm{level}")(h, train=train)
            h = nn.leaky_relu(h, 0.2)
        return self._judged(h, train).astype(jnp.float32)

    def _judged(self, h, train):
        if self.head == "average":
            h = h.mean((1, 2), keepdims=True)
        elif self.head in ("dense", "hidden"):
            h = h.reshape(len(h), 1, 1, -1)
        else:
            raise ValueError(f"head is {self.head!r}; it must be {', '.join(HEADS)}")
        if self.head == "hidden":
            h = nn.leaky_relu(self._dense(64, "hidden")(h, train=train), 0.2)
        return self._dense(1, "logits")(h, train=train)

    def _conv(self, features, level):
        return layers.Conv(
            features,
            kernel=4,
            stride=2,
            padding=1,
            bias=self.norm != "batch",
            spectral_norm=self.spectral_norm,
            kernel_init=layers.initializer("normal", 0.02),
            dtype=self.dtype,
            name=f"conv{level}",
        )

    def _dense(self, features, name):
        # DCGAN's deviation of 0.02 suits the few values it ends with: over the 131,072
        # of 256 px it would start with logits of 5.
        return layers.Conv(
            features,
            kernel=1,
            spectral_norm=self.spectral_norm,
            kernel_init=nn.initializers.lecun_normal(),
            dtype=self.dtype,
            name=name,
        )
