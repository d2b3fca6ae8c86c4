"""Residual U-Net without normalisation: wide where the image is small."""

from typing import Any, ClassVar

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxrestore.models import layers
from jaxrestore.ops import membranes, patches, ranges


class Generator(nn.Module):
    """Residual blocks on several resolutions; skips are sums.

    The image is first rearranged by `shuffle` (space to depth); each level halves the
    map and is `widths[level]` wide, with `blocks[level]` blocks on the way down and as
    many on the way up. The input is added to the output. 1,736,364 parameters as it
    stands.

    With `fills_holes` the last channel of an input is a mask: above 0.5 is hole, and
    what stands there in the image is not looked at. A membrane from the known pixels
    (`ops.membranes`) takes its place, and the network adds what that lacks; known
    pixels come back bit for bit.

    Source: Ronneberger et al., "U-Net", MICCAI 2015, with the blocks of EDSR (see
    `layers.Block`) and sums for skips as in DRUNet (Zhang et al., TPAMI 2021).
    """

    widths: ranges.Counts = (48, 96, 144)
    blocks: ranges.CountsOrNone = (2, 2, 2)
    shuffle: ranges.Count = 2
    channels: ranges.Count = 3
    fills_holes: bool = False
    dtype: Any = jnp.float32

    scale: ClassVar[int] = 1

    @property
    def multiple(self) -> int:
        """Side lengths must divide by this."""
        return self.shuffle * 2 ** (len(self.widths) - 1)

    @property
    def reach(self) -> int | None:
        """A result's pixel sees so many px of the image to each side; None: all."""
        if self.fills_holes:
            return None  # of a membrane
        # Convolutions of 3x3 by level, two a block: there and back, but once inside.
        there_and_back = [4 * count for count in self.blocks[: len(self.widths)]]
        there_and_back[-1] //= 2
        there_and_back[0] += 2
        steps = (n * 2**level for level, n in enumerate(there_and_back))
        # What it divides sides by is a square of which all pixels see the same.
        return self.shuffle * sum(steps) + self.multiple - 1

    @nn.compact
    def __call__(
        self, degraded: Float[Array, "b h w c"], *, train: bool
    ) -> tuple[Float[Array, "b h w d"], dict[str, Array]]:
        """Returns the restored images, not clipped, and no further outputs.

        Raises `ValueError` with `fills_holes` for an input without a mask.
        """
        known = degraded[..., : self.channels]
        if self.fills_holes:
            self._check(degraded)
            hole = degraded[..., -1:] > 0.5
            start = membranes.membrane(known, ~hole[..., 0], hole[..., 0])
            degraded = jnp.concatenate([start, hole.astype(start.dtype)], -1)
        levels = range(len(self.widths))
        h = patches.space_to_depth(degraded, self.shuffle)
        h = self._conv(self.widths[0], 3, "first")(h)
        skips = []
        for level in levels:
            if level:
                h = patches.space_to_depth(h, 2)
                h = self._conv(self.widths[level], 1, f"down{level}")(h)
            h = self._blocks(h, level, "down")
            skips.append(h)
        for level in reversed(levels[:-1]):
            h = self._conv(4 * self.widths[level], 1, f"up{level}")(h)
            h = self._blocks(skips[level] + patches.depth_to_space(h, 2), level, "up")
        width = self.channels * self.shuffle**2
        residual = layers.residual_output(width, self.dtype, "last")(h)
        residual = patches.depth_to_space(residual, self.shuffle)
        restored = degraded[..., : self.channels] + residual.astype(jnp.float32)
        return jnp.where(hole, restored, known) if self.fills_holes else restored, {}

    def _check(self, degraded):
        if degraded.shape[-1] != self.channels + 1:
            raise ValueError(
                f"unet with fills_holes takes {self.channels} channels of an image and "
                f"its mask, got {degraded.shape[-1]} channels; the degradation holes "
                "makes such images"
            )

    def _conv(self, features, kernel, name):
        return layers.Conv(features, kernel, dtype=self.dtype, name=name)

    def _blocks(self, h, level, way):
        for index in range(self.blocks[level]):
            h = layers.Block(dtype=self.dtype, name=f"{way}{level}_block{index}")(h)
        return h
