"""The ResNet generator of pix2pix: residual blocks between two halvings and back."""

from typing import Any, ClassVar

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxrestore.models import layers
from jaxrestore.ops import ranges, sides


class Generator(nn.Module):
    """7x7, two strided 3x3, `blocks` residual blocks, two layers that double, 7x7.

    Inside, images are in [-1, 1], and the last layer is a tanh. The 7x7 convolutions
    and those of the blocks mirror the border, so sides are 8 px at least (mirroring a
    single pixel repeats it). `blocks=9` is resnet_9blocks, `blocks=6` resnet_6blocks.
    `dropout` acts inside every block, in training only; the reference's is 0.5 where
    it is on. `upsampling` is `deconv`, `resize_conv` or `subpixel`: see
    `layers.upsampled`. With `residual` the last layer is linear and starts at zero,
    and its map is added to the degraded image: the network starts at the identity.
    `norm` is `batch`, `instance` or `none`; `initialization` and `gain`: see
    `layers.initializer`.

    11,383,427 parameters as it stands, 7,841,411 with `blocks=6`; with instance
    normalisation 11,378,179 and 7,837,699.

    Source: Johnson et al., "Perceptual Losses for Real-Time Style Transfer and
    Super-Resolution", ECCV 2016, as in pytorch-CycleGAN-and-pix2pix (Zhu et al., ICCV
    2017); the variants are ours.
    """

    filters: ranges.Count = 64
    blocks: ranges.CountOrNone = 9
    norm: str = "batch"
    dropout: ranges.Share = 0.0
    upsampling: str = "deconv"
    residual: bool = False
    initialization: str = "normal"
    gain: ranges.NotNegative = 0.02
    channels: ranges.Count = 3
    dtype: Any = jnp.float32

    scale: ClassVar[int] = 1
    multiple: ClassVar[int] = 4

    @nn.compact
    def __call__(
        self, degraded: Float[Array, "b h w c"], *, train: bool
    ) -> tuple[Float[Array, "b h w d"], dict[str, Array]]:
        """Returns images, and no further outputs.

        They are in [0, 1], or not clipped with `residual`. In training it needs a key
        for `dropout`, unless that is 0.
        """
        h = self._mirrored(2 * degraded - 1, self.filters, 7, "first")
        h = nn.relu(self._normalised(h, "first", train))
        for level in (1, 2):
            h = self._down(h, self.filters * 2**level, f"down{level}")
            h = nn.relu(self._normalised(h, f"down{level}", train))
        for index in range(self.blocks):
            h = h + self._branch(h, f"block{index}", train)
        for level in (2, 1):
            h = self._up(h, self.filters * 2 ** (level - 1), f"up{level}")
            h = nn.relu(self._normalised(h, f"up{level}", train))
        h = self._last(h)
        if self.residual:
            # A ReLU stands before the last layer, unlike `layers.residual_output`:
            # normalised maps keep it open (tests/models/test_identity_trap.py).
            return degraded[..., : self.channels] + h.astype(jnp.float32), {}
        return (nn.tanh(h).astype(jnp.float32) + 1) / 2, {}

    def _branch(self, h, name, train):
        width = h.shape[-1]
        h = self._mirrored(h, width, 3, f"{name}_conv1")
        h = nn.relu(self._normalised(h, f"{name}_conv1", train))
        h = nn.Dropout(self.dropout, deterministic=not train)(h)
        h = self._mirrored(h, width, 3, f"{name}_conv2")
        return self._normalised(h, f"{name}_conv2", train)

    @property
    def _shared(self):
        # A bias before batch normalisation would be subtracted again.
        return {
            "bias": self.norm != "batch",
            "kernel_init": layers.initializer(self.initialization, self.gain),
            "dtype": self.dtype,
        }

    def _mirrored(self, h, features, kernel, name):
        conv = layers.Conv(features, kernel, padding=0, name=name, **self._shared)
        return conv(_mirrored_border(h, kernel // 2))

    def _down(self, h, features, name):
        return layers.Conv(features, 3, stride=2, name=name, **self._shared)(h)

    def _up(self, h, features, name):
        return layers.upsampled(
            h, features, kernel=3, method=self.upsampling, name=name, **self._shared
        )

    def _last(self, h):
        shared = {**self._shared, "bias": True}
        if self.residual:
            shared["kernel_init"] = nn.initializers.zeros
        conv = layers.Conv(self.channels, 7, padding=0, name="last", **shared)
        return conv(_mirrored_border(h, 3))

    def _normalised(self, h, name, train):
        norm = layers.Norm(self.norm, dtype=self.dtype, name=f"{name}_norm")
        return norm(h, train=train)


def _mirrored_border(h, border):
    if sides.are_unknown(h):
        return sides.mirrored(h, ((border, border), (border, border)))
    frame = ((0, 0), (border, border), (border, border), (0, 0))
    return jnp.pad(h, frame, mode="reflect")
