"""RRDBNet: residual-in-residual dense blocks, the enlarger of ESRGAN and Real-ESRGAN.

Its published weights stand in three layouts: that of 2018 numbers the layers
(`model.1.sub.0.RDB1.conv1.0.weight`), that of 2019 names them
(`RRDB_trunk.0.RDB1.conv1.weight`), today's is BasicSR's (`body.0.rdb1.conv1.weight`).
"""

import math
import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxrestore.models import layers, torch_layout
from jaxrestore.ops import patches, ranges, resize

# PyTorch's own: uniform within 1 / sqrt(values that a number is made of).
_usual = nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")
# He's, times a tenth: a stack of dense blocks starts near the identity.
_small = nn.initializers.variance_scaling(0.01 * 2, "fan_in", "normal")


class Generator(nn.Module):
    """Dense blocks at the resolution of the input, then doublings of the sides.

    `blocks` blocks `width` wide, whose inner convolutions add `growth` maps each,
    between two convolutions and under a long skip; then nearest-neighbour doublings,
    each with a convolution, and two convolutions at full size. There are `doublings`,
    or as many as `scale` (1, 2, 4, 8) needs; where they are more than that, blocks of
    pixels become channels first (`patches.pixel_unshuffle`), as in the published
    networks of scale 2 and 1. With `doublings=0` nothing is unshuffled, as in older
    networks of scale 2 and 1.

    A `residual` one, which is ours, adds the bicubic enlargement of its input and
    starts there, for trainings too short to learn it.

    16,697,987 parameters as it stands; 11,662,019 at 16 blocks and 4,467,779 at 6;
    16,703,171 at scale 2 and 16,723,907 at scale 1.

    Source: Wang et al., "ESRGAN: Enhanced Super-Resolution Generative Adversarial
    Networks", ECCVW 2018; Wang et al., "Real-ESRGAN", ICCVW 2021; `RRDBNet` of BasicSR.
    Biases, PyTorch's small random numbers there, start at 0.
    """

    width: ranges.Count = 64
    blocks: ranges.CountOrNone = 23
    growth: ranges.Count = 32
    scale: Annotated[int, ranges.Range(1, 8, "a power of 2", whole=True)] = 4
    doublings: ranges.CountOrNone = 2
    residual: bool = False
    channels: ranges.Count = 3
    dtype: Any = jnp.float32

    @property
    def multiple(self) -> int:
        """The number that sides must divide by: the side of an unshuffled block."""
        return max(1, 2**self.doublings // max(1, self.scale))

    @property
    def reach(self) -> int:
        """A result's pixel sees so many px of the image to each side."""
        # In px of the result: a dense block has 15 convolutions of 3x3, each doubling
        # one, and two are at full size.
        count = self._doublings()
        sides = [2**count * (15 * self.blocks + 2), *(2**n for n in range(count)), 2]
        # All pixels of what was one on the smallest map see the same.
        return -(-(sum(sides) + self.multiple * self.scale - 1) // self.scale)

    @nn.compact
    def __call__(
        self, degraded: Float[Array, "b h w c"], *, train: bool
    ) -> tuple[Float[Array, "b hh ww d"], dict[str, Array]]:
        """Returns the enlarged images, float32 and not clipped; no further outputs.

        Raises `ValueError` for a scale that no number of doublings gives, and for sides
        that `multiple` does not divide.
        """
        self._check(degraded)
        h = patches.pixel_unshuffle(degraded, self.multiple)
        first = h = self._conv("first")(h)
        for index in range(self.blocks):
            h = _Block(self.growth, self.dtype, name=f"block{index}")(h)
        h = first + self._conv("body")(h)
        for index in range(self._doublings()):
            h = self._conv(f"up{index}")(h.repeat(2, 1).repeat(2, 2))
            h = nn.leaky_relu(h, 0.2)
        h = nn.leaky_relu(self._conv("high")(h), 0.2)
        return self._enlarged(degraded, self._last(h).astype(jnp.float32)), {}

    def torch_names(self) -> dict[str, torch_layout.Name]:
        """Returns where each variable stands in a state dict of BasicSR's layout.

        Raises `ValueError` for a residual network: PyTorch's would not add the enlarged
        input and would restore other images.
        """
        if self.residual:
            raise ValueError(
                "a residual rrdbnet adds the enlarged input, which RRDBNet in PyTorch "
                "does not; keep its weights in our layout, or train with "
                "residual=False"
            )
        names = torch_layout.conv("first", "conv_first")
        for block in range(self.blocks):
            for part, conv in _PLACES:
                names |= torch_layout.conv(
                    f"block{block}/dense{part}/conv{conv}",
                    f"body.{block}.rdb{part}.conv{conv}",
                )
        names |= torch_layout.conv("body", "conv_body")
        for index in range(self._doublings()):
            names |= torch_layout.conv(f"up{index}", f"conv_up{index + 1}")
        names |= torch_layout.conv("high", "conv_hr")
        return names | torch_layout.conv("last", "conv_last")

    def _doublings(self):
        return max(self.doublings, self.scale.bit_length() - 1)

    def _check(self, degraded):
        if self.scale < 1 or self.scale.bit_count() != 1:
            raise ValueError(
                f"scale is {self.scale}; it must be a power of 2: 1, 2, 4, 8"
            )
        height, width = degraded.shape[1:3]
        if height % self.multiple or width % self.multiple:
            raise ValueError(
                f"rrdbnet of scale {self.scale} takes sides that divide by "
                f"{self.multiple}, got {height}x{width}; pad them, as "
                "`networks.restore_function` does"
            )

    def _conv(self, name):
        return layers.Conv(self.width, kernel_init=_usual, dtype=self.dtype, name=name)

    def _last(self, h):
        if self.residual:
            return layers.residual_output(self.channels, self.dtype, "last")(h)
        last = layers.Conv(
            self.channels, kernel_init=_usual, dtype=self.dtype, name="last"
        )
        return last(h)

    def _enlarged(self, degraded, image):
        if not self.residual:
            return image
        colours = degraded[..., : self.channels]
        return resize.resize(colours, *image.shape[1:3]) + image


class _Block(nn.Module):
    """Three dense blocks in turn, a fifth of which is added to the input."""

    growth: int
    dtype: Any

    @nn.compact
    def __call__(self, x):
        h = x
        for part in (1, 2, 3):
            h = _Dense(self.growth, self.dtype, name=f"dense{part}")(h)
        return x + 0.2 * h


class _Dense(nn.Module):
    """Five convolutions, each of all maps before it; a fifth of the last is added."""

    growth: int
    dtype: Any

    @nn.compact
    def __call__(self, x):
        maps = x
        for index in (1, 2, 3, 4):
            new = self._conv(self.growth, index)(maps)
            maps = jnp.concatenate([maps, nn.leaky_relu(new, 0.2)], -1)
        return x + 0.2 * self._conv(x.shape[-1], 5)(maps)

    def _conv(self, features, index):
        return layers.Conv(
            features, kernel_init=_small, dtype=self.dtype, name=f"conv{index}"
        )


_PLACES = tuple((part, conv) for part in (1, 2, 3) for conv in (1, 2, 3, 4, 5))


def torch_options(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any] | None:
    """Returns the options of the network with these tensors in BasicSR's layout.

    None where they are those of another architecture. What the first convolution takes
    is the images' channels, or 4 or 16 times as many where it takes unshuffled pixels.
    """
    marks = ("conv_first", "body.0.rdb1.conv1", "conv_body", "conv_hr", "conv_last")
    if any(f"{mark}.weight" not in shapes for mark in marks):
        return None
    width, inputs = shapes["conv_first.weight"][:2]
    channels = shapes["conv_last.weight"][0]
    doublings = sum(re.fullmatch(r"conv_up\d\.weight", n) is not None for n in shapes)
    shares = [s for s in (2, 4) if s <= 2**doublings and inputs == channels * s**2]
    blocks = [m[1] for n in shapes if (m := re.match(r"body\.(\d+)\.rdb1\.", n))]
    return {
        "width": width,
        "blocks": max(map(int, blocks)) + 1,
        "growth": shapes["body.0.rdb1.conv1.weight"][0],
        "scale": 2**doublings // math.prod(shares),
        "doublings": doublings,
        "channels": channels,
    }


def torch_renamed(names: Iterable[str]) -> dict[str, str]:
    """Returns today's name of each tensor of a state dict, in whatever layout.

    A name that stands in none of the older layouts is its own.
    """
    known = list(names)
    layers_in_turn = re.compile(r"model\.(\d+)\.(weight|bias)")
    numbered = {int(m[1]) for n in known if (m := layers_in_turn.fullmatch(n))}
    renames = list(_RENAMES)
    if "model.1.sub.0.RDB1.conv1.0.weight" in known:
        first, *ups, high, last = sorted(numbered)
        homes = {first: "conv_first", high: "conv_hr", last: "conv_last"}
        homes |= {number: f"conv_up{place}" for place, number in enumerate(ups, 1)}
        renames += [(rf"model\.{n}\.(\w+)", rf"{home}.\1") for n, home in homes.items()]
    return {name: _renamed(name, renames) for name in known}


def _renamed(name, renames):
    for old, new in renames:
        if match := re.fullmatch(old, name):
            return match.expand(new)
    return name


_RENAMES = (
    (r"model\.1\.sub\.(\d+)\.RDB(\d)\.conv(\d)\.0\.(\w+)", r"body.\1.rdb\2.conv\3.\4"),
    (r"model\.1\.sub\.\d+\.(\w+)", r"conv_body.\1"),
    (r"RRDB_trunk\.(\d+)\.RDB(\d)\.conv(\d)\.(\w+)", r"body.\1.rdb\2.conv\3.\4"),
    (r"trunk_conv\.(\w+)", r"conv_body.\1"),
    (r"upconv(\d)\.(\w+)", r"conv_up\1.\2"),
    (r"HRconv\.(\w+)", r"conv_hr.\1"),
)
