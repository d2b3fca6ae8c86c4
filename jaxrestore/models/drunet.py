"""DRUNet: a residual U-Net without biases that is told the level of the noise."""

import re
from collections.abc import Mapping
from typing import Any, ClassVar

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxrestore.models import layers, torch_layout
from jaxrestore.ops import ranges


class Generator(nn.Module):
    """`blocks` residual blocks on each of four resolutions and as many on the way up.

    A block is `h + conv(relu(conv(h)))` of 3x3; strided convolutions of 2x2 halve the
    map, transposed ones double it, skips are sums. No layer has a bias: the output
    scales with the input. The image is drawn anew: nothing adds the input to it.

    It takes the level of the noise as channel `channels + 1`: the standard deviation on
    images in [0, 1], so 25 / 255, the same at each pixel or not. Trained for all levels
    (0 to 50 / 255), it serves as the prior of other restorations.

    32,640,960 parameters as it stands with that channel, 32,638,656 with one colour.

    Source: Zhang et al., "Plug-and-Play Image Restoration with Deep Denoiser Prior"
    (DPIR), TPAMI 2021; `UNetRes` of github.com/cszn/KAIR, whose training draws
    orthogonal kernels of length 0.2.
    """

    widths: ranges.Counts = (64, 128, 256, 512)
    blocks: ranges.Count = 4
    channels: ranges.Count = 3
    dtype: Any = jnp.float32

    scale: ClassVar[int] = 1

    @property
    def multiple(self) -> int:
        """Side lengths must divide by this."""
        return 2 ** (len(self.widths) - 1)

    @property
    def reach(self) -> int:
        """A result's pixel sees so many px of the image to each side."""
        levels = len(self.widths)
        # Two convolutions of 3x3 a block, there and back but for the innermost.
        inner = 2 * self.blocks * 2 ** (levels - 1)
        outer = 4 * self.blocks * (2 ** (levels - 1) - 1)
        # What it divides sides by is a square of which all pixels see the same.
        return 2 + outer + inner + self.multiple - 1

    @nn.compact
    def __call__(
        self, degraded: Float[Array, "b h w c"], *, train: bool
    ) -> tuple[Float[Array, "b h w d"], dict[str, Array]]:
        """Returns the restored images, float32 and not clipped; no further outputs."""
        h = self._conv(self.widths[0], 3, "first")(degraded)
        skips = [h]
        for level, width in enumerate(self.widths[1:], 1):
            h = self._blocks(h, f"down{level}")
            h = self._conv(width, 2, f"down{level}", stride=2)(h)
            skips.append(h)
        h = self._blocks(h, "middle")
        for level in range(len(self.widths) - 1, 0, -1):
            h = self._up(self.widths[level - 1], f"up{level}")(h + skips.pop())
            h = self._blocks(h, f"up{level}")
        last = self._conv(self.channels, 3, "last")
        return last(h + skips.pop()).astype(jnp.float32), {}

    def torch_names(self) -> dict[str, torch_layout.Name]:
        """Returns the published name of every variable, as `torch_layout` says."""
        names = _conv_name("first", "m_head")
        for level in range(1, len(self.widths)):
            down, up = f"m_down{level}", f"m_up{level}"
            names |= self._block_names(f"down{level}", down, 0)
            names |= _conv_name(f"down{level}", f"{down}.{self.blocks}")
            names |= _conv_name(f"up{level}", f"{up}.0")
            names |= self._block_names(f"up{level}", up, 1)
        names |= self._block_names("middle", "m_body", 0)
        return names | _conv_name("last", "m_tail")

    def _block_names(self, path, prefix, first):
        names = {}
        for index in range(self.blocks):
            here, there = f"{path}_block{index}", f"{prefix}.{first + index}"
            names |= _conv_name(f"{here}_conv1", f"{there}.res.0")
            names |= _conv_name(f"{here}_conv2", f"{there}.res.2")
        return names

    def _blocks(self, h, name):
        for index in range(self.blocks):
            path = f"{name}_block{index}"
            inner = nn.relu(self._conv(h.shape[-1], 3, f"{path}_conv1")(h))
            h = h + self._conv(h.shape[-1], 3, f"{path}_conv2")(inner)
        return h

    def _conv(self, features, kernel, name, *, stride=1):
        return layers.Conv(
            features,
            kernel,
            stride,
            padding=1 if kernel == 3 else 0,
            bias=False,
            kernel_init=layers.initializer("orthogonal", 0.2),
            dtype=self.dtype,
            name=name,
        )

    def _up(self, features, name):
        return layers.ConvTranspose(
            features,
            kernel=2,
            padding=0,
            bias=False,
            kernel_init=layers.initializer("orthogonal", 0.2),
            dtype=self.dtype,
            name=name,
        )


def _conv_name(path, prefix):
    return torch_layout.conv(path, prefix, bias=False)


def torch_options(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any] | None:
    """Returns the options of a published state dict, None of another network's.

    `shapes` are those of its tensors. None also of KAIR's variants with biases, and of
    those that pool, or enlarge otherwise than by a transposed convolution.
    """
    if not {"m_head.weight", "m_tail.weight", "m_body.0.res.0.weight"} <= set(shapes):
        return None
    if "m_head.bias" in shapes:
        return None
    blocks = sum(
        1 for name in shapes if re.fullmatch(r"m_body\.\d+\.res\.0\.weight", name)
    )
    levels = len({name.split(".")[0] for name in shapes if name.startswith("m_down")})
    widths = [shapes["m_head.weight"][0]]
    for level in range(1, levels + 1):
        down = shapes.get(f"m_down{level}.{blocks}.weight")
        up = shapes.get(f"m_up{level}.0.weight")
        if down is None or up is None or down[2:] != (2, 2) or up[2:] != (2, 2):
            return None
        widths.append(down[0])
    channels = shapes["m_tail.weight"][0]
    return {"widths": tuple(widths), "blocks": blocks, "channels": channels}
