"""PatchGAN: a discriminator that judges overlapping patches."""

from typing import Annotated, Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxrestore.models import layers
from jaxrestore.ops import ranges


class Discriminator(nn.Module):
    """Strided convolutions up to a map of logits, one for each patch.

    `stages` strided stages (1 to 5) give receptive fields of 16, 34, 70, 142 and 286
    px. A `conditional` one sees the degraded image beside the judged one. With
    `one_number` the map is averaged to a single logit an image: the same parameters,
    but one judgement instead of many. `initialization` and `gain`: see
    `layers.initializer`. A `centred` one takes its images from [0, 1] to [-1, 1] first,
    as the reference does.

    With batch normalisation, conditional, at 64 filters: 139,585, 666,433, 2,768,705
    (`stages=3`, pix2pix's `basic`), 6,964,033 and 11,159,361 parameters.

    Source: Isola et al., "Image-to-Image Translation with Conditional Adversarial
    Networks" (pix2pix), CVPR 2017; spectral normalisation from Miyato et al., ICLR
    2018.
    """

    filters: ranges.Count = 64
    stages: Annotated[int, ranges.Range(1, 5, whole=True)] = 3
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
        """Returns float32 logits, one a patch; [b, 1, 1, 1] with `one_number`.

        A `conditional` one needs a condition of the image's size.
        """
        h = jnp.concatenate([condition, image], -1) if self.conditional else image
        h = 2 * h - 1 if self.centred else h
        h = self._stage(h, 0, stride=2, norm="none", train=train)
        for stage in range(1, self.stages):
            h = self._stage(h, stage, stride=2, norm=self.norm, train=train)
        h = self._stage(h, self.stages, stride=1, norm=self.norm, train=train)
        logits = self._conv(1, 1, True, "logits")(h, train=train).astype(jnp.float32)
        return logits.mean((1, 2), keepdims=True) if self.one_number else logits

    def _stage(self, h, stage, *, stride, norm, train):
        features = self.filters * min(2**stage, 8)
        # A bias before batch or instance normalisation would be subtracted again; the
        # reference keeps it before instance normalisation, and so its count.
        bias = norm != "batch"
        h = self._conv(features, stride, bias, f"conv{stage}")(h, train=train)
        h = layers.Norm(norm, dtype=self.dtype, name=f"norm{stage}")(h, train=train)
        return nn.leaky_relu(h, 0.2)

    def _conv(self, features, stride, bias, name):
        return layers.Conv(
            features,
            kernel=4,
            stride=stride,
            padding=1,
            bias=bias,
            spectral_norm=self.spectral_norm,
            kernel_init=layers.initializer(self.initialization, self.gain),
            dtype=self.dtype,
            name=name,
        )
