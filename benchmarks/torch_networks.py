"""The package's networks in PyTorch, written from their description, to time against.

Images are [b, c, h, w] in [0, 1]. Sub-modules bear the names that the networks of
`jaxrestore.models` give their layers, so `load` can hand over weights by name alone.
"""

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional


class Fcn(nn.Module):
    """`jaxrestore.models.fcn.Generator`: residual blocks at full resolution.

    Source: Lim et al., "Enhanced Deep Residual Networks for Single Image
    Super-Resolution" (EDSR), CVPRW 2017, for the blocks.
    """

    def __init__(self, *, width: int = 64, blocks: int = 16, channels: int = 3):
        """Layers of 3x3; the last has no activation."""
        super().__init__()
        self.first = nn.Conv2d(channels, width, 3, padding=1)
        self.blocks = blocks
        for index in range(blocks):
            self.add_module(f"block{index}", Block(width))
        self.skip = nn.Conv2d(width, width, 3, padding=1)
        self.last = nn.Conv2d(width, channels, 3, padding=1)

    def forward(self, degraded: torch.Tensor) -> torch.Tensor:
        """Returns the restored images, float32, not clipped."""
        first = h = self.first(degraded)
        for index in range(self.blocks):
            h = getattr(self, f"block{index}")(h)
        return degraded + self.last(first + self.skip(h)).float()


class Block(nn.Module):
    """`h + 0.3 * conv(relu(conv(h)))`."""

    def __init__(self, width: int):
        """Two layers of 3x3, as wide as the map."""
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, h: torch.Tensor) -> torch.Tensor:
        """Returns a map of the same shape."""
        return h + 0.3 * self.conv2(torch.relu(self.conv1(h)))


class PatchGan(nn.Sequential):
    """`jaxrestore.models.patchgan.Discriminator`, conditional, on pairs of images.

    Source: Isola et al., "Image-to-Image Translation with Conditional Adversarial
    Networks" (pix2pix), CVPR 2017.
    """

    def __init__(
        self,
        *,
        filters: int = 64,
        stages: int = 3,
        norm: str = "instance",
        channels: int = 6,
    ):
        """Layers of 4x4; `channels` are those of image and condition together."""
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        for stage in range(stages + 1):
            width = filters * min(2**stage, 8)
            kind = norm if stage else "none"
            stride = 2 if stage < stages else 1
            bias = kind != "batch"
            layers[f"conv{stage}"] = nn.Conv2d(channels, width, 4, stride, 1, bias=bias)
            if kind != "none":
                layers[f"norm{stage}"] = normalisation(kind, width)
            layers[f"leaky{stage}"] = nn.LeakyReLU(0.2)
            channels = width
        layers["logits"] = nn.Conv2d(channels, 1, 4, 1, 1)
        super().__init__(layers)

    def forward(self, image: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        """Returns float32 logits, one a patch."""
        return super().forward(torch.cat([condition, image], 1)).float()


def normalisation(kind: str, width: int) -> nn.Module:
    """Returns batch or instance normalisation; the latter has no parameters."""
    return nn.BatchNorm2d(width) if kind == "batch" else nn.InstanceNorm2d(width)


class UNet(nn.Module):
    """`jaxrestore.models.pix2pix_unet.Generator`: encoder, decoder, joined skips.

    Every convolution has a kernel of 4, stride 2 and a border of 1; inside, images
    lie in [-1, 1].

    Source: Isola et al., "Image-to-Image Translation with Conditional Adversarial
    Networks" (pix2pix), CVPR 2017, appendix 6.1.
    """

    def __init__(
        self,
        *,
        filters: int = 64,
        downs: int = 8,
        norm: str = "batch",
        channels: int = 3,
    ):
        """`downs` halvings, from `filters` to at most 8 times as many channels."""
        super().__init__()
        self.downs, bias = downs, norm != "batch"
        widths = [channels, *(filters * min(2**level, 8) for level in range(downs))]
        for level in range(downs):
            above, width = widths[level], widths[level + 1]
            outermost, innermost = level == 0, level == downs - 1
            self._add(f"down{level}", nn.Conv2d(above, width, 4, 2, 1, bias=bias))
            if not outermost and not innermost:
                self._add(f"down{level}_norm", normalisation(norm, width))
            joined = width if innermost else 2 * width
            up_bias = bias or outermost
            up = nn.ConvTranspose2d(joined, above, 4, 2, 1, bias=up_bias)
            self._add(f"up{level}", up)
            if not outermost:
                self._add(f"up{level}_norm", normalisation(norm, above))

    def forward(self, degraded: torch.Tensor) -> torch.Tensor:
        """Returns the restored images in [0, 1], float32."""
        h, skips = self._layer("down0", 2 * degraded - 1), []
        for level in range(1, self.downs):
            skips.append(h)
            h = self._layer(f"down{level}", functional.leaky_relu(h, 0.2))
        for level in reversed(range(1, self.downs)):
            h = self._layer(f"up{level}", torch.relu(h))
            h = torch.cat([skips.pop(), h], 1)
        return (torch.tanh(self.up0(torch.relu(h))).float() + 1) / 2

    def _add(self, name, layer):
        self.add_module(name, layer)

    def _layer(self, name, h):
        h = getattr(self, name)(h)
        norm = f"{name}_norm"
        return getattr(self, norm)(h) if hasattr(self, norm) else h


def load(module: nn.Module, variables: Mapping[str, Any]) -> nn.Module:
    """Returns `module` with the weights and statistics of a Flax model's `variables`.

    Raises `RuntimeError` unless both have exactly the same.
    """
    state = {}
    for path, leaf in _leaves(variables["params"]):
        *names, kind = path
        owner = ".".join(name for name in names if name not in ("conv", "batch"))
        array = np.asarray(leaf)
        if kind == "kernel":
            # The rule of `ops.convolution`, for convolutions and for transposed ones.
            array = array.transpose(3, 2, 0, 1).copy()
        key = "bias" if kind == "bias" else "weight"
        state[f"{owner}.{key}"] = torch.tensor(array)
    for path, leaf in _leaves(variables.get("batch_stats", {})):
        owner = ".".join(name for name in path[:-1] if name != "batch")
        state[f"{owner}.running_{path[-1]}"] = torch.tensor(np.asarray(leaf))
    # The count of batches is PyTorch's own; it plays no part at a fixed momentum.
    counts = {k: v for k, v in module.state_dict().items() if k.endswith("_tracked")}
    module.load_state_dict({**state, **counts})
    return module


def _leaves(tree: Mapping[str, Any], path: tuple = ()) -> Iterator[tuple[tuple, Any]]:
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, (*path, name))
        else:
            yield (*path, name), value
