"""The package's networks in PyTorch, written from their description, to time against.

Images are [b, c, h, w] in [0, 1]. Sub-modules bear the names that the networks of
`jaxrestore.models` give their layers, so `load` can hand over weights by name alone.
"""

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
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
        return (torch.tanh(self.get_submodule("up0")(torch.relu(h))).float() + 1) / 2

    def _add(self, name, layer):
        self.add_module(name, layer)

    def _layer(self, name, h):
        h = getattr(self, name)(h)
        norm = f"{name}_norm"
        return getattr(self, norm)(h) if hasattr(self, norm) else h


class ResidualUNet(nn.Module):
    """`jaxrestore.models.unet.Generator`: the network of the weights that ship.

    Source: Ronneberger et al., "U-Net", MICCAI 2015; blocks as in `Fcn`.
    """

    def __init__(
        self,
        *,
        widths: Sequence[int] = (48, 96, 144),
        blocks: Sequence[int] = (2, 2, 2),
        shuffle: int = 2,
        channels: int = 3,
    ):
        """A width and a number of blocks a level; `shuffle` rearranges the image."""
        super().__init__()
        self.widths, self.blocks, self.shuffle = widths, blocks, shuffle
        inside = channels * shuffle**2
        self.first = nn.Conv2d(inside, widths[0], 3, padding=1)
        for level, width in enumerate(widths):
            for way in ("down", "up")[: 1 if level == len(widths) - 1 else 2]:
                for index in range(blocks[level]):
                    self.add_module(f"{way}{level}_block{index}", Block(width))
            if level:
                above = widths[level - 1]
                self.add_module(f"down{level}", nn.Conv2d(4 * above, width, 1))
                self.add_module(f"up{level - 1}", nn.Conv2d(width, 4 * above, 1))
        self.last = nn.Conv2d(widths[0], inside, 3, padding=1)

    def forward(self, degraded: torch.Tensor) -> torch.Tensor:
        """Returns the restored images, not clipped."""
        h, skips = self.first(_space_to_depth(degraded, self.shuffle)), []
        for level in range(len(self.widths)):
            if level:
                h = getattr(self, f"down{level}")(_space_to_depth(h, 2))
            h = self._blocks(h, level, "down")
            skips.append(h)
        for level in reversed(range(len(self.widths) - 1)):
            h = _depth_to_space(getattr(self, f"up{level}")(h), 2)
            h = self._blocks(skips[level] + h, level, "up")
        return degraded + _depth_to_space(self.last(h), self.shuffle)

    def _blocks(self, h, level, way):
        for index in range(self.blocks[level]):
            h = getattr(self, f"{way}{level}_block{index}")(h)
        return h


# PyTorch's own have another order of the channels: (channel, row, column).


def _space_to_depth(x, block):
    b, c, h, w = x.shape
    x = x.view(b, c, h // block, block, w // block, block)
    return x.permute(0, 3, 5, 1, 2, 4).reshape(b, -1, h // block, w // block)


def _depth_to_space(x, block):
    b, c, h, w = x.shape
    x = x.view(b, block, block, c // block**2, h, w)
    return x.permute(0, 3, 4, 1, 5, 2).reshape(b, -1, h * block, w * block)


class Mwcnn(nn.Module):
    """MWCNN under the tensor names of its published code; skips are sums.

    Source: MWCNN_PyTorch of Liu.
    """

    def __init__(
        self,
        *,
        widths: Sequence[int] = (160, 256, 256),
        convs: int = 3,
        channels: int = 3,
    ):
        """Three levels of Haar transforms, `convs` layers each way on each."""
        super().__init__()
        one, two, three = widths
        self.head = _row(4 * channels, one)
        self.d_l1 = _row(*[one] * (convs + 1))
        self.d_l2 = _row(4 * one, *[two] * (convs + 1))
        self.pro_l3 = _row(4 * two, *[three] * (2 * convs + 1), 4 * two)
        self.i_l2 = _row(*[two] * (convs + 1), 4 * one)
        self.i_l1 = _row(*[one] * (convs + 1))
        self.tail = nn.Sequential(nn.Conv2d(one, 4 * channels, 3, padding=1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns the restored images; sides divide by 8."""
        first = self.d_l1(self.head(_haar(x)))
        second = self.d_l2(_haar(first))
        h = second + _inverse_haar(self.pro_l3(_haar(second)))
        h = first + _inverse_haar(self.i_l2(h))
        return x + _inverse_haar(self.tail(self.i_l1(h)))


class _Layer(nn.Module):
    def __init__(self, taken, made):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(taken, made, 3, padding=1), nn.ReLU())

    def forward(self, x):
        return self.body(x)


def _row(*sizes):
    return nn.Sequential(*map(_Layer, sizes, sizes[1:]))


def _haar(x):
    a, b = x[:, :, 0::2, 0::2] / 2, x[:, :, 1::2, 0::2] / 2
    c, d = x[:, :, 0::2, 1::2] / 2, x[:, :, 1::2, 1::2] / 2
    return torch.cat([a + b + c + d, c + d - a - b, b + d - a - c, a + d - b - c], 1)


def _inverse_haar(x):
    low, columns, rows, both = (x / 2).chunk(4, 1)
    h = low.new_zeros(*low.shape[:2], 2 * low.shape[2], 2 * low.shape[3])
    h[:, :, 0::2, 0::2] = low - columns - rows + both
    h[:, :, 1::2, 0::2] = low - columns + rows - both
    h[:, :, 0::2, 1::2] = low + columns - rows - both
    h[:, :, 1::2, 1::2] = low + columns + rows + both
    return h


TWINS = {"fcn": Fcn, "pix2pix_unet": UNet, "unet": ResidualUNet}


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
