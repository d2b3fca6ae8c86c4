"""The compact VGG-like enlarger of Real-ESRGAN: all its layers at the input's size."""

import math
import re
from collections.abc import Mapping
from typing import Any, ClassVar

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxrestore.models import layers, torch_layout
from jaxrestore.ops import patches, ranges


class Generator(nn.Module):
    """Plain convolutions, one pixel shuffle, and the enlarged input added.

    `convs` convolutions `width` wide between a first and a last one, all but the last
    followed by a ReLU whose negative slope each map learns (0.25 at the start). The
    last one makes the pixels of a `scale` times larger image as channels; to them the
    input is added, each pixel repeated. It starts at that enlargement.

    621,424 parameters as it stands, 1,213,296 at 32 convolutions.

    Source: `SRVGGNetCompact` of Wang et al., "Real-ESRGAN: Training Real-World Blind
    Super-Resolution with Pure Synthetic Data", ICCVW 2021; the activation of He et al.,
    "Delving Deep into Rectifiers", ICCV 2015. The start is ours. The reference can be
    built with a fixed slope as well; its weights do not say with which.
    """

    width: ranges.Count = 64
    convs: ranges.CountOrNone = 16
    scale: ranges.Count = 4
    channels: ranges.Count = 3
    dtype: Any = jnp.float32

    multiple: ClassVar[int] = 1

    @property
    def reach(self) -> int:
        """A result's pixel sees so many px of the image to each side."""
        return self.convs + 2

    @nn.compact
    def __call__(
        self, degraded: Float[Array, "b h w c"], *, train: bool
    ) -> tuple[Float[Array, "b hh ww d"], dict[str, Array]]:
        """Returns the enlarged images, float32 and not clipped; no further outputs."""
        h = degraded
        for index in range(self.convs + 1):
            name = f"conv{index}"
            h = layers.Conv(self.width, dtype=self.dtype, name=name)(h)
            slope = self.param(
                f"slope{index}", nn.initializers.constant(0.25), (self.width,)
            )
            h = jnp.where(h >= 0, h, slope.astype(h.dtype) * h)
        pixels = self.channels * self.scale**2
        h = layers.residual_output(pixels, self.dtype, "last")(h)
        enlarged = degraded[..., : self.channels]
        enlarged = enlarged.repeat(self.scale, 1).repeat(self.scale, 2)
        shuffled = patches.pixel_shuffle(h.astype(jnp.float32), self.scale)
        return enlarged + shuffled, {}

    def torch_names(self) -> dict[str, torch_layout.Name]:
        """Returns where each variable stands in a state dict of the reference."""
        names: dict[str, torch_layout.Name] = {}
        for index in range(self.convs + 1):
            names |= torch_layout.conv(f"conv{index}", f"body.{2 * index}")
            names[f"params/slope{index}"] = f"body.{2 * index + 1}.weight"
        return names | torch_layout.conv("last", f"body.{2 * self.convs + 2}")


def torch_options(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any] | None:
    """Returns the options of the network with these tensors in the reference's layout.

    None where they are those of another architecture. The images have as many channels
    as the network takes, or the most below that with a whole scale.
    """
    numbers = [m[1] for n in shapes if (m := re.fullmatch(r"body\.(\d+)\.weight", n))]
    last = max(map(int, numbers), default=0)
    kinds = [len(shapes.get(f"body.{n}.weight", ())) for n in range(last + 1)]
    if last < 2 or last % 2 or kinds != [4, 1] * (last // 2) + [4]:
        return None
    width, inputs = shapes["body.0.weight"][:2]
    pixels = shapes[f"body.{last}.weight"][0]
    for channels in range(inputs, 0, -1):
        scale = math.isqrt(pixels // channels)
        if channels * scale**2 == pixels:
            return {
                "width": width,
                "convs": last // 2 - 1,
                "scale": scale,
                "channels": channels,
            }
    return None
