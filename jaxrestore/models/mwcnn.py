"""MWCNN: a U-Net whose pooling is the Haar transform, so that nothing is lost by it."""

from collections.abc import Mapping
from typing import Any, ClassVar

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxrestore.models import layers, torch_layout
from jaxrestore.ops import ranges, wavelet


class Generator(nn.Module):
    """Convolutions between Haar transforms; skips are sums; the input is added.

    Each level transforms the map, which halves it and makes four bands of every
    channel, and is `widths[level]` wide: `convs` convolutions on the way down and as
    many on the way up, 2 * `convs` on the innermost. All have 3x3 weights, a bias and a
    ReLU, but the last, which is linear and starts at zero. Convolutions that keep the
    width start close to the identity: so deep a chain learns slowly from noise alone.
    As it stands 16,168,940 parameters, with `channels=1` 16,145,892.

    Source: Liu et al., "Multi-level Wavelet-CNN for Image Restoration", CVPRW 2018; as
    in its PyTorch code, https://github.com/lpj0/MWCNN_PyTorch, without the batch
    normalisation of the paper. The initialisation is that of Zagoruyko, Komodakis,
    "DiracNets: Training Very Deep Neural Networks Without Skip-Connections", 2017.
    """

    widths: ranges.Counts = (160, 256, 256)
    convs: ranges.Count = 3
    channels: ranges.Count = 3
    dtype: Any = jnp.float32

    scale: ClassVar[int] = 1

    @property
    def multiple(self) -> int:
        """Side lengths must divide by this."""
        return 2 ** len(self.widths)

    @property
    def reach(self) -> int:
        """A result's pixel sees so many px of the image to each side."""
        steps = (2 * (self.convs + 1) * 2 ** (n + 1) for n in range(len(self.widths)))
        # What it divides sides by is a square of which all pixels see the same.
        return sum(steps) + self.multiple - 1

    @nn.compact
    def __call__(
        self, degraded: Float[Array, "b h w c"], *, train: bool
    ) -> tuple[Float[Array, "b h w d"], dict[str, Array]]:
        """Returns the restored images, not clipped, and no further outputs."""
        levels = range(len(self.widths))
        h, skips = degraded, []
        for level in levels:
            h = self._conv(wavelet.haar(h), self.widths[level], f"down{level}_first")
            h = self._convs(h, f"down{level}")
            skips.append(h)
        h = self._convs(skips.pop(), f"up{levels[-1]}")
        for level in reversed(levels[:-1]):
            bands = self._conv(h, 4 * self.widths[level], f"up{level + 1}_last")
            h = self._convs(wavelet.inverse_haar(bands) + skips.pop(), f"up{level}")
        bands = layers.residual_output(4 * self.channels, self.dtype, "last")(h)
        residual = wavelet.inverse_haar(bands).astype(jnp.float32)
        return degraded[..., : self.channels] + residual, {}

    def torch_names(self) -> dict[str, torch_layout.Name]:
        """Returns the tensors' names in the PyTorch code, by the paths of variables.

        Raises `ValueError` for another number of levels than that code has.
        """
        if len(self.widths) != 3:
            raise ValueError(
                f"mwcnn has {len(self.widths)} levels, in PyTorch it has three; keep "
                "its weights in our layout"
            )
        names = torch_layout.conv("last", "tail.0")
        for block, paths in self._blocks().items():
            for index, path in enumerate(paths):
                names |= torch_layout.conv(path, f"{block}.{index}.body.0")
        return names

    def _blocks(self):
        """The layers of each block of the PyTorch code, in its order."""
        *outer, inner = range(len(self.widths))
        down = [[f"down{level}_first", *self._names(f"down{level}")] for level in outer]
        up = [[*self._names(f"up{level}"), f"up{level}_last"] for level in outer]
        blocks = {"head": [down[0].pop(0)]}
        up[0].pop()
        for level in outer:
            blocks |= {f"d_l{level + 1}": down[level], f"i_l{level + 1}": up[level]}
        innermost = [f"down{inner}_first", *self._names(f"down{inner}")]
        innermost += [*self._names(f"up{inner}"), f"up{inner}_last"]
        return {**blocks, f"pro_l{inner + 1}": innermost}

    def _names(self, way):
        return [f"{way}_conv{index}" for index in range(self.convs)]

    def _convs(self, h, way):
        for name in self._names(way):
            h = self._conv(h, h.shape[-1], name)
        return h

    def _conv(self, h, features, name):
        conv = layers.Conv(
            features, kernel_init=_near_identity, dtype=self.dtype, name=name
        )
        return nn.relu(conv(h))


def _near_identity(key, shape, dtype=jnp.float32):
    kernel = nn.initializers.he_normal()(key, shape, dtype)
    height, width, entering, leaving = shape
    if entering != leaving:
        return kernel
    return (0.1 * kernel).at[height // 2, width // 2].add(jnp.eye(leaving, dtype=dtype))


def torch_options(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any] | None:
    """Returns the options of the network that has tensors of these names and shapes.

    None for tensors of another architecture, MWCNNv2 among them.
    """
    firsts = ("head.0.body.0.weight", "d_l2.0.body.0.weight", "pro_l3.0.body.0.weight")
    if (
        not {*firsts, "tail.0.weight"} <= set(shapes)
        or "d_l0.0.body.0.weight" in shapes
    ):
        return None
    convs = sum(name.startswith("d_l1.") and name.endswith("bias") for name in shapes)
    return {
        "widths": tuple(shapes[name][0] for name in firsts),
        "convs": convs,
        "channels": shapes["tail.0.weight"][0] // 4,
    }
