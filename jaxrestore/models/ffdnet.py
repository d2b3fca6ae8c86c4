"""FFDNet: a plain stack at half the resolution that is told the level of the noise."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxrestore.models import layers, torch_layout
from jaxrestore.ops import patches, ranges


class Generator(nn.Module):
    """`depth` convolutions of 3x3, `width` wide, ReLU between them.

    They see squares of 2x2 px as channels, and so does the last one make them. The
    image is drawn anew: nothing adds the input to it. Sides need not divide by 2: the
    last row and column are repeated, as published.

    It takes the level of the noise as channel `channels + 1`: the standard deviation on
    images in [0, 1], so 25 / 255, the same at each pixel or not; the mean of a square
    is what its layers see.

    852,108 parameters as it stands with that channel; published for grey images is
    `channels=1, width=64, depth=15` (485,316).

    Source: Zhang, Zuo, Zhang, "FFDNet: Toward a Fast and Flexible Solution for CNN
    based Image Denoising", TIP 2018; `FFDNet` of github.com/cszn/KAIR, whose training
    draws orthogonal kernels of length 0.2. Published weights have the normalisation of
    training merged into the convolutions.
    """

    width: ranges.Count = 96
    depth: Annotated[int, ranges.Range(2, whole=True)] = 12
    channels: ranges.Count = 3
    dtype: Any = jnp.float32

    scale: ClassVar[int] = 1
    multiple: ClassVar[int] = 2
    continues: ClassVar[str] = "edge"

    @property
    def reach(self) -> int:
        """A result's pixel sees so many px of the image to each side."""
        # Of the own square, the other pixel too.
        return 2 * self.depth + 1

    @nn.compact
    def __call__(
        self, degraded: Float[Array, "b h w c"], *, train: bool
    ) -> tuple[Float[Array, "b h w d"], dict[str, Array]]:
        """Returns the restored images, float32 and not clipped; no further outputs."""
        height, width = degraded.shape[1:3]
        h = _in_squares(_even(degraded), self.channels)
        for index in range(self.depth - 1):
            h = nn.relu(self._conv(self.width, f"conv{index}")(h))
        h = self._conv(4 * self.channels, "last")(h)
        image = patches.pixel_shuffle(h.astype(jnp.float32), 2)
        return image[:, :height, :width], {}

    def torch_names(self) -> dict[str, torch_layout.Name]:
        """Returns the published name of every variable, as `torch_layout` says."""
        names = {}
        for index in range(self.depth - 1):
            # Activations count in the sequence as layers do.
            names |= torch_layout.conv(f"conv{index}", f"model.{2 * index}")
        return names | torch_layout.conv("last", f"model.{2 * self.depth - 2}")

    def _conv(self, features, name):
        kernels = layers.initializer("orthogonal", 0.2)
        return layers.Conv(features, kernel_init=kernels, dtype=self.dtype, name=name)


def _even(images):
    """The images with their last row and column twice where sides are odd."""
    for axis in (1, 2):
        whole = -(-images.shape[axis] // 2) * 2
        if whole != images.shape[axis]:
            images = jnp.take(images, jnp.arange(whole), axis, mode="clip")
    return images


def _in_squares(images, channels):
    """The pixels of 2x2 px as channels, and behind them the means of further ones."""
    b, height, width, _ = images.shape
    colors, beside = images[..., :channels], images[..., channels:]
    squares = beside.reshape(b, height // 2, 2, width // 2, 2, beside.shape[3])
    return jnp.concatenate(
        [patches.pixel_unshuffle(colors, 2), squares.mean((2, 4))], -1
    )


def torch_options(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any] | None:
    """Returns the options of a published state dict, None of another network's.

    `shapes` are those of its tensors. DnCNN has the same names: it takes as many
    channels as it gives, and this one a level besides.
    """
    kernels = [shape for shape in shapes.values() if len(shape) == 4]
    depth = len(kernels)
    wanted = {f"model.{2 * n}.{leaf}" for n in range(depth) for leaf in _LEAVES}
    if depth < 2 or set(shapes) != wanted:
        return None
    width, takes = shapes["model.0.weight"][:2]
    gives = shapes[f"model.{2 * depth - 2}.weight"][0]
    if gives % 4 or takes != gives + 1:
        return None
    return {"width": width, "depth": depth, "channels": gives // 4}


_LEAVES = ("weight", "bias")
