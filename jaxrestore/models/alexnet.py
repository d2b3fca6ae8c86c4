"""AlexNet: maps of features for LPIPS; weights come from a file."""

import re
from collections.abc import Collection, Mapping
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxrestore.models import layers, torch_layout

# Kernel, stride and padding of each convolution, its place in torchvision's `features`,
# and whether overlapping maxima halve the map before it.
_LAYERS = (
    (11, 4, 2, 0, False),
    (5, 1, 2, 3, True),
    (3, 1, 1, 6, True),
    (3, 1, 1, 8, False),
    (3, 1, 1, 10, False),
)


class Features(nn.Module):
    """The five convolutions of torchvision's AlexNet, each followed by a ReLU.

    Maps are called `conv1` to `conv5` and are those before the ReLU; `widths` are their
    channels. 2,469,696 parameters.

    Source: Krizhevsky, "One weird trick for parallelizing convolutional neural
    networks", arXiv 2014, as torchvision has it.
    """

    widths: tuple[int, ...] = (64, 192, 384, 256, 256)
    dtype: Any = jnp.float32

    @property
    def maps(self) -> tuple[str, ...]:
        """The names of all maps, in order."""
        return tuple(f"conv{index}" for index in range(1, len(self.widths) + 1))

    @nn.compact
    def __call__(
        self, images: Float[Array, "b h w 3"], *, wanted: Collection[str]
    ) -> dict[str, Float[Array, "b _ _ _"]]:
        """Returns the maps that are `wanted`, of `maps`; nothing beyond the last.

        Raises `ValueError` for images so small that no pixel is left of them.
        """
        if min(images.shape[1:3]) < 31:
            height, width = images.shape[1:3]
            raise ValueError(
                f"AlexNet needs sides of 31 px or more, got {width}x{height}; pass "
                "larger images"
            )
        found, x = {}, images
        for name, width, layer in zip(self.maps, self.widths, _LAYERS, strict=True):
            if len(found) == len(wanted):
                break
            kernel, stride, padding, _, halved = layer
            x = nn.max_pool(x, (3, 3), strides=(2, 2)) if halved else x
            conv = layers.Conv(
                width, kernel, stride, padding, dtype=self.dtype, name=name
            )
            x = conv(x)
            if name in wanted:
                found[name] = x
            x = nn.relu(x)
        return found

    def torch_names(self) -> dict[str, torch_layout.Name]:
        """Returns where torchvision has each variable; its classifier is left out."""
        names = {}
        for name, (_, _, _, place, _) in zip(self.maps, _LAYERS, strict=True):
            names |= torch_layout.conv(name, f"features.{place}")
        return names


def torch_options(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any] | None:
    """Returns the options of the AlexNet of a torchvision file of such tensors.

    `shapes` are theirs by name. None where it is another network's.
    """
    weight = r"features\.\d+\.weight"
    kernels = {n: s for n, s in shapes.items() if re.fullmatch(weight, n)}
    names = [f"features.{place}.weight" for _, _, _, place, _ in _LAYERS]
    if {*names} != {*kernels}:
        return None
    channels = 3
    for name, (kernel, *_) in zip(names, _LAYERS, strict=True):
        if kernels[name][1:] != (channels, kernel, kernel):
            return None
        channels = kernels[name][0]
    return {"widths": tuple(kernels[name][0] for name in names)}
