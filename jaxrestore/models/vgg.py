"""VGG: maps of features, for distances between images; weights come from a file."""

import re
from collections.abc import Collection, Mapping
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxrestore.models import layers, torch_layout


class Features(nn.Module):
    """The convolutions of VGG19, which end before the classifier.

    Blocks of 3x3 convolutions, each followed by a ReLU; between two blocks the sides
    are halved by the maximum. `convolutions` counts those of each block, `widths` are
    their channels; VGG16 has (2, 2, 3, 3, 3). Maps are called `conv1_1`, `conv1_2`, …
    and are those before the ReLU. 20,024,384 parameters, VGG16 14,714,688.

    Source: Simonyan, Zisserman, "Very Deep Convolutional Networks for Large-Scale Image
    Recognition", ICLR 2015; the order of the layers is that of torchvision's.
    """

    convolutions: tuple[int, ...] = (2, 2, 4, 4, 4)
    widths: tuple[int, ...] = (64, 128, 256, 512, 512)
    dtype: Any = jnp.float32

    @property
    def maps(self) -> tuple[str, ...]:
        """The names of all maps, in order."""
        return tuple(
            f"conv{block}_{index}"
            for block, count in enumerate(self.convolutions, 1)
            for index in range(1, count + 1)
        )

    @nn.compact
    def __call__(
        self, images: Float[Array, "b h w 3"], *, wanted: Collection[str]
    ) -> dict[str, Float[Array, "b _ _ _"]]:
        """Returns the maps that are `wanted`, of `maps`; nothing beyond the last.

        Raises `ValueError` for images so small that no pixel is left of them.
        """
        found, x, last = {}, images, 1
        for name in self.maps:
            if len(found) == len(wanted):
                break
            block = int(name.removeprefix("conv").partition("_")[0])
            x, last = (x if block == last else _halved(x)), block
            conv = layers.Conv(self.widths[block - 1], dtype=self.dtype, name=name)
            x = conv(x)
            if name in wanted:
                found[name] = x
            x = nn.relu(x)
        return found

    def torch_names(self) -> dict[str, torch_layout.Name]:
        """Returns where torchvision has each variable; its classifier is left out."""
        names, place = {}, 0
        for block, count in enumerate(self.convolutions, 1):
            for index in range(1, count + 1):
                path, prefix = f"conv{block}_{index}", f"features.{place}"
                names |= torch_layout.conv(path, prefix)
                place += 2  # over the ReLU
            place += 1  # over the maximum
        return names


def torch_options(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any] | None:
    """Returns the options of the VGG of a torchvision file with tensors of `shapes`.

    None where it is another network's; batch normalisation makes it another one.
    """
    kernels = {
        int(name.split(".")[1]): shape
        for name, shape in shapes.items()
        if re.fullmatch(r"features\.\d+\.weight", name)
    }
    blocks: list[list[int]] = []
    last, channels = -3, 3
    for place, shape in sorted(kernels.items()):
        step = place - last  # 2 over a ReLU, 3 where a maximum follows it
        if step not in (2, 3) or shape[1:] != (channels, 3, 3):
            return None
        if step == 3:
            blocks.append([])
        blocks[-1].append(shape[0])
        last, channels = place, shape[0]
    if not blocks or any(len({*block}) > 1 for block in blocks):
        return None
    return {
        "convolutions": tuple(len(block) for block in blocks),
        "widths": tuple(block[0] for block in blocks),
    }


def _halved(x):
    # Not `nn.max_pool`, whose gradient is five times slower on CPUs.
    height, width = (side // 2 * 2 for side in x.shape[1:3])
    if not height * width:
        raise ValueError(
            "VGG halves images block by block until no pixel is left of these; pass "
            "larger ones (16 px for five blocks)"
        )
    x = x[:, :height, :width]
    rows = jnp.maximum(x[:, ::2], x[:, 1::2])
    return jnp.maximum(rows[:, :, ::2], rows[:, :, 1::2])
