"""The network of Deep Image Prior in PyTorch, and its fit, to time against.

Images are [b, c, h, w] in [0, 1]. Sub-modules bear the names that `models/skip.py`
gives its layers, so that `load` hands over weights by name.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional


class Skip(nn.Module):
    """`jaxrestore.models.skip.Generator` with 1x1 convolutions on the way up.

    Source: Ulyanov, Vedaldi, Lempitsky, "Deep Image Prior", CVPR 2018.
    """

    def __init__(
        self,
        *,
        code: int,
        widths: Sequence[int],
        skips: Sequence[int],
        channels: int,
        zeros: bool = False,
    ):
        """A width and a skip a level; the way down pads zeros, the way up its edge.

        With `zeros` both do, which is another network and the quickest to run.
        """
        super().__init__()
        self.skips, self.zeros = skips, zeros
        entering = [code, *widths[:-1]]
        for level, (taken, width) in enumerate(zip(entering, widths, strict=True)):
            if skips[level]:
                self._add(f"skip{level}", nn.Conv2d(taken, skips[level], 1))
            self._add(f"down{level}_conv0", nn.Conv2d(taken, width, 3, 2, 1))
            self._add(f"down{level}_conv1", nn.Conv2d(width, width, 3, 1, 1))
        for level, width in enumerate(widths):
            deeper = widths[min(level + 1, len(widths) - 1)]
            joined = skips[level] + deeper
            self.add_module(f"up{level}_joined", nn.BatchNorm2d(joined))
            self._add(f"up{level}_conv0", nn.Conv2d(joined, width, 3, 1, int(zeros)))
            self._add(f"up{level}_conv1", nn.Conv2d(width, width, 1))
        self.last = nn.Conv2d(widths[0], channels, 1)

    def forward(self, code: torch.Tensor) -> torch.Tensor:
        """Returns the images in [0, 1]."""
        h, passed = code, []
        for level, width in enumerate(self.skips):
            passed.append(self._layer(f"skip{level}", h) if width else None)
            h = self._layer(f"down{level}_conv0", h)
            h = self._layer(f"down{level}_conv1", h)
        for level in reversed(range(len(self.skips))):
            h = functional.interpolate(h, scale_factor=2, mode="bilinear")
            if passed[level] is not None:
                h = torch.cat([passed[level], h], 1)
            h = getattr(self, f"up{level}_joined")(h)
            h = h if self.zeros else _framed(h)
            h = self._layer(f"up{level}_conv0", h)
            h = self._layer(f"up{level}_conv1", h)
        return torch.sigmoid(self.last(h))

    def _add(self, name, conv):
        self.add_module(name, conv)
        self.add_module(f"{name}_norm", nn.BatchNorm2d(conv.out_channels))

    def _layer(self, name, h):
        norm = getattr(self, f"{name}_norm")
        return functional.leaky_relu(norm(getattr(self, name)(h)), 0.2)


def _framed(h):
    # By joining: PyTorch 2.13 compiles no replicating padding of channels-last maps.
    h = torch.cat([h[:, :, :1], h, h[:, :, -1:]], 2)
    return torch.cat([h[..., :1], h, h[..., -1:]], 3)


def load(module: Skip, params: Mapping[str, Any]) -> Skip:
    """Returns `module` with the weights of our network; all of them are asked for."""
    found = dict(module.state_dict())
    for name, layer in params.items():
        if "deep_norm" in layer:
            parts = [layer[n] for n in ("skip_norm", "deep_norm") if n in layer]
            joined = {
                key: np.concatenate([np.asarray(part[key]) for part in parts])
                for key in ("scale", "bias")
            }
            found |= _tensors(f"{name.replace('conv0', 'joined')}", joined)
            layer = {key: layer[key] for key in ("kernel", "bias")}
        found |= _tensors(name, layer.get("conv", layer))
    module.load_state_dict(found)
    return module


def _tensors(name, layer):
    tensors = {}
    for key, leaf in layer.items():
        array = np.asarray(leaf)
        if key == "kernel":
            array = array.reshape((1, 1) * (array.ndim == 2) + array.shape)
            array = array.transpose(3, 2, 0, 1)
        word = "bias" if key == "bias" else "weight"
        tensors[f"{name}.{word}"] = torch.tensor(array.copy())
    return tensors


def fit(
    module: Skip,
    code: torch.Tensor,
    degraded: torch.Tensor,
    *,
    jitter: float,
    rate: float,
    compiled: bool,
    channels_last: bool,
) -> Callable[[int], torch.Tensor]:
    """Returns a function that makes so many iterations and returns the average."""
    if channels_last:
        form = torch.channels_last
        module = module.to(memory_format=form)  # pyright: ignore
        code = code.contiguous(memory_format=form)
    optimizer = torch.optim.Adam(module.parameters(), lr=rate)
    network: Any = torch.compile(module) if compiled else module
    average = torch.zeros_like(degraded)

    def advance(iterations: int) -> torch.Tensor:
        for _ in range(iterations):
            optimizer.zero_grad()
            image = network(code + jitter * torch.randn_like(code))
            functional.mse_loss(image, degraded).backward()
            optimizer.step()
            average.mul_(0.99).add_(image.detach(), alpha=0.01)
        return average

    return advance
