"""NAFNet: restoration without activation functions."""

import functools
import itertools
from collections.abc import Mapping
from typing import Any, ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxrestore.models import layers, torch_layout
from jaxrestore.ops import local_means, patches, ranges, sides

Features = Float[Array, "b h w c"]

# PyTorch's default, which the published networks started from.
_INIT = nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")


class Generator(nn.Module):
    """A U-Net of gated blocks; skips are sums, the input is added to the output.

    Level i of the way down has `encoders[i]` blocks of `width * 2**i` channels and
    halves the map; `middle` blocks follow; `decoders` are the blocks of the way up,
    the smallest map first, as many levels as `encoders`. Images whose sides do not
    divide by 2 ** levels are continued with zeros inside, as by the reference.

    A block multiplies each channel by a number that it makes of the means of all
    channels over the image. With `local_statistics` px, and where it does not train,
    the means are of windows so wide on the image (half as wide on each next level): a
    network that was trained on crops then sees of large images what it knows. The
    reference takes 1.5 times the side of its crops, 384 of 256; 0 is the whole image.

    67,888,835 parameters as it stands, the network for blur (GoPro); with `encoders`
    (2, 2, 4, 8), `middle` 12, `decoders` (2, 2, 2, 2) that for noise (SIDD),
    115,982,915.

    Source: Chen et al., "Simple Baselines for Image Restoration", ECCV 2022; local
    statistics: Chu et al., "Improving Image Restoration by Revisiting Global
    Information Aggregation", ECCV 2022; github.com/megvii-research/NAFNet. The last
    convolution starts at zero here, so that training starts at the identity.
    """

    width: ranges.Count = 64
    encoders: ranges.CountsOrNone = (1, 1, 1, 28)
    middle: ranges.CountOrNone = 1
    decoders: ranges.CountsOrNone = (1, 1, 1, 1)
    local_statistics: ranges.CountOrNone = 0
    channels: ranges.Count = 3
    dtype: Any = jnp.float32

    scale: ClassVar[int] = 1
    continues: ClassVar[str] = "constant"

    @property
    def multiple(self) -> int:
        """Tiles of an image begin at multiples of this, as its maps divide it."""
        return 2 ** len(self.encoders)

    @property
    def reach(self) -> int | None:
        """A pixel sees so many px to each side; more by a border, as `local_mean`."""
        if not self.local_statistics:
            return None
        windows = self._windows(train=False)
        blocks = itertools.zip_longest(self.encoders, self.decoders[::-1], fillvalue=0)
        counts = [*(sum(pair) for pair in blocks), self.middle]
        steps = (
            count * (1 + window // 2) * 2**level
            for level, (count, window) in enumerate(zip(counts, windows, strict=True))
        )
        # Both convolutions of images, and the square of which all see the same.
        return 2 + sum(steps) + self.multiple - 1

    @nn.compact
    def __call__(
        self, degraded: Float[Array, "b h w c"], *, train: bool
    ) -> tuple[Float[Array, "b h w d"], dict[str, Array]]:
        """Returns the restored images, float32 and not clipped; no further outputs.

        Raises `ValueError` unless there are as many levels up as down.
        """
        if len(self.encoders) != len(self.decoders):
            raise ValueError(
                f"nafnet has {len(self.encoders)} levels down (encoders) and "
                f"{len(self.decoders)} up (decoders); give as many numbers for both"
            )
        windows = self._windows(train)
        height, width = degraded.shape[1:3]
        h = self._conv(self.width, 3, "first")(self._framed(degraded))
        skips = []
        for level, count in enumerate(self.encoders):
            h = self._blocks(h, f"encoder{level}", count, windows[level])
            skips.append(h)
            h = self._conv(2 * h.shape[-1], 2, f"down{level}", stride=2)(h)
        h = self._blocks(h, "middle", self.middle, windows[-1])
        for index, count in enumerate(self.decoders):
            h = self._conv(2 * h.shape[-1], 1, f"up{index}", bias=False)(h)
            h = patches.pixel_shuffle(h, 2) + skips.pop()
            h = self._blocks(h, f"decoder{index}", count, windows[len(skips)])
        residual = layers.residual_output(self.channels, self.dtype, "last")(h)
        residual = residual[:, :height, :width].astype(jnp.float32)
        return degraded[..., : self.channels] + residual, {}

    def torch_names(self) -> dict[str, torch_layout.Name]:
        """Returns the published name of every variable, as `torch_layout` says."""
        conv, names = torch_layout.conv, torch_layout.conv("first", "intro")
        for level, count in enumerate(self.encoders):
            names |= _block_names(f"encoder{level}", f"encoders.{level}", count)
            names |= conv(f"down{level}", f"downs.{level}")
        names |= _block_names("middle", "middle_blks", self.middle)
        for index, count in enumerate(self.decoders):
            names |= conv(f"up{index}", f"ups.{index}.0", bias=False)
            names |= _block_names(f"decoder{index}", f"decoders.{index}", count)
        return names | conv("last", "ending")

    def _windows(self, train):
        """How wide the local statistics of each level are; 0 is its whole map."""
        levels = range(len(self.encoders) + 1)
        if train or not self.local_statistics:
            return [0 for _ in levels]
        return [max(self.local_statistics >> level, 1) for level in levels]

    def _framed(self, images):
        multiple = self.multiple
        whole = (-(-side // multiple) * multiple for side in images.shape[1:3])
        more = (end - side for end, side in zip(whole, images.shape[1:3], strict=True))
        return jnp.pad(images, ((0, 0), *((0, room) for room in more), (0, 0)))

    def _conv(self, features, kernel, name, *, stride=1, bias=True):
        return _conv(features, kernel, name, self.dtype, stride=stride, bias=bias)

    def _blocks(self, h, name, count, window):
        for index in range(count):
            h = _Block(window, self.dtype, name=f"{name}_block{index}")(h)
        return h


class _Block(nn.Module):
    """Two residual branches, each with a gate; `window` px of the map, 0: all."""

    window: int
    dtype: Any

    @nn.compact
    def __call__(self, x):
        channels = x.shape[-1]
        h = self._conv(2 * channels, "conv1")(self._norm("norm1")(x))
        h = simple_gate(_Depthwise(self.dtype, name="conv2")(h))
        weights = self._conv(channels, "attention")(
            local_means.local_mean(h, self.window)
        )
        h = self._conv(channels, "conv3")(h * weights)
        y = x + h * self._factor("beta", channels)
        h = self._conv(2 * channels, "conv4")(self._norm("norm2")(y))
        h = self._conv(channels, "conv5")(simple_gate(h))
        return y + h * self._factor("gamma", channels)

    def _conv(self, features, name):
        return _conv(features, 1, name, self.dtype)

    def _norm(self, name):
        # Of the channels of each pixel; the statistics are float32 in any case.
        return nn.LayerNorm(
            epsilon=1e-6, use_fast_variance=False, dtype=self.dtype, name=name
        )

    def _factor(self, name, channels):
        return self.param(name, nn.initializers.zeros, (channels,)).astype(self.dtype)


class _Depthwise(nn.Module):
    """`depthwise` with its weights; the sums are float32."""

    dtype: Any

    @nn.compact
    def __call__(self, x):
        kernel = self.param("kernel", _INIT, (3, 3, 1, x.shape[-1]))
        bias = self.param("bias", nn.initializers.zeros, x.shape[-1:])
        return (depthwise(x.astype(jnp.float32), kernel) + bias).astype(self.dtype)


@jax.custom_vjp
def depthwise(x: Features, kernel: Float[Array, "3 3 1 c"]) -> Features:
    """Returns the 3x3 convolution of each channel by itself, zeros around.

    A sum of shifted copies: on CPUs XLA's grouped convolution takes many times as long.
    The gradient is written out for the compiler, which spends more time on what it
    would derive. Derivatives in reverse mode only.

    Source: Chollet, "Xception: Deep Learning with Depthwise Separable Convolutions",
    CVPR 2017.
    """
    # A file of any size names what it calls, so that this becomes one operation.
    # Its name is no other one's, whose function would become that operation too.
    known = not sides.are_unknown(x)
    apply = _depthwise_of_nafnet if known else jax.jit(_depthwise_of_nafnet)
    return apply(x, kernel)


def _depthwise_of_nafnet(x, kernel):
    copies = _copies(x).items()
    return functools.reduce(jnp.add, (copy * kernel[at][0] for at, copy in copies))


def _copies(x):
    """`x` shifted by up to a pixel, by the place in the kernel that it meets."""
    height, width = x.shape[1:3]
    framed = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    return {
        (row, column): framed[:, row : row + height, column : column + width]
        for row in range(3)
        for column in range(3)
    }


def _depthwise_backward(kept, cotangent):
    x, kernel = kept
    by_kernel = [(copy * cotangent).sum((0, 1, 2)) for copy in _copies(x).values()]
    by_x = depthwise(cotangent, kernel[::-1, ::-1])
    return by_x, jnp.stack(by_kernel).reshape(kernel.shape)


depthwise.defvjp(
    lambda x, kernel: (depthwise(x, kernel), (x, kernel)), _depthwise_backward
)


def simple_gate(x: Features) -> Float[Array, "b h w d"]:
    """Returns the first half of the channels times the second.

    Source: Chen et al., "Simple Baselines for Image Restoration", ECCV 2022.
    """
    first, second = jnp.split(x, 2, -1)
    return first * second


def _conv(features, kernel, name, dtype, *, stride=1, bias=True):
    return layers.Conv(
        features,
        kernel,
        stride,
        padding=1 if kernel == 3 else 0,
        bias=bias,
        kernel_init=_INIT,
        dtype=dtype,
        name=name,
    )


def _block_names(path, prefix, count):
    names: dict[str, torch_layout.Name] = {}
    for index in range(count):
        here, there = f"{path}_block{index}", f"{prefix}.{index}"
        for conv in ("conv1", "conv3", "conv4", "conv5"):
            names |= torch_layout.conv(f"{here}/{conv}", f"{there}.{conv}")
        names |= torch_layout.conv(f"{here}/attention", f"{there}.sca.1")
        for leaf, tensor in (("kernel", "weight"), ("bias", "bias")):
            names[f"params/{here}/conv2/{leaf}"] = f"{there}.conv2.{tensor}"
        for norm in ("norm1", "norm2"):
            names[f"params/{here}/{norm}/scale"] = f"{there}.{norm}.weight"
            names[f"params/{here}/{norm}/bias"] = f"{there}.{norm}.bias"
        for factor in ("beta", "gamma"):
            names[f"params/{here}/{factor}"] = (f"{there}.{factor}", (1, -1, 1, 1))
    return names


def torch_options(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any] | None:
    """Returns the options of a published state dict, None of another network's.

    `shapes` are those of its tensors. Local statistics leave no trace in the weights.
    """
    gated = any(name.endswith(".sca.1.weight") for name in shapes)
    if not gated or not {"intro.weight", "ending.weight"} <= set(shapes):
        return None
    levels = _count(shapes, "downs.")
    return {
        "width": shapes["intro.weight"][0],
        "encoders": tuple(_count(shapes, f"encoders.{i}.") for i in range(levels)),
        "middle": _count(shapes, "middle_blks."),
        "decoders": tuple(_count(shapes, f"decoders.{i}.") for i in range(levels)),
        "channels": shapes["ending.weight"][0],
    }


def _count(shapes, prefix):
    """How many modules stand in the list `prefix`."""
    cut = len(prefix)
    return len({name[cut:].split(".")[0] for name in shapes if name.startswith(prefix)})
