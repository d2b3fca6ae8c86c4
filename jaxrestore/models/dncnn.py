"""DnCNN: a plain stack of convolutions that finds the noise in an image."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxrestore.models import layers, torch_layout
from jaxrestore.ops import ranges


class Generator(nn.Module):
    """`depth` convolutions of 3x3 at full resolution, `width` wide, ReLU between them.

    What they make is subtracted from the input. With `norm="batch"` a batch
    normalisation (epsilon 1e-4) stands before each ReLU but the first, as in training
    for the paper; published weights mostly have it merged into the convolutions, which
    is `"none"`. Receptive field 2 * depth + 1 px.

    557,443 parameters as it stands; published are also `depth=20` for unknown levels of
    noise (668,227) and one channel (555,137 and 665,921).

    Source: Zhang et al., "Beyond a Gaussian Denoiser: Residual Learning of Deep CNN
    for Image Denoising", TIP 2017; github.com/cszn/KAIR. The last convolution starts
    at zero here.
    """

    width: ranges.Count = 64
    depth: Annotated[int, ranges.Range(2, whole=True)] = 17
    norm: str = "none"
    channels: ranges.Count = 3
    dtype: Any = jnp.float32

    scale: ClassVar[int] = 1
    multiple: ClassVar[int] = 1

    @property
    def reach(self) -> int:
        """A result's pixel sees so many px of the image to each side."""
        return self.depth

    @nn.compact
    def __call__(
        self, degraded: Float[Array, "b h w c"], *, train: bool
    ) -> tuple[Float[Array, "b h w d"], dict[str, Array]]:
        """Returns the restored images, float32 and not clipped; no further outputs.

        Raises `ValueError` for another norm than none and batch, and below two layers.
        """
        if self.norm not in ("none", "batch"):
            raise ValueError(f"norm is {self.norm!r}; it must be none or batch")
        if self.depth < 2:
            raise ValueError(f"depth is {self.depth}; it must be 2 or more")
        h = nn.relu(self._conv("first")(degraded))
        for index in range(1, self.depth - 1):
            h = self._conv(f"conv{index}")(h)
            if self.norm == "batch":
                h = self._normalised(h, f"norm{index}", train)
            h = nn.relu(h)
        noise = layers.residual_output(self.channels, self.dtype, "last")(h)
        return degraded[..., : self.channels] - noise.astype(jnp.float32), {}

    def torch_names(self) -> dict[str, torch_layout.Name]:
        """Returns the published name of every variable, as `torch_layout` says."""
        # Activations and normalisations count in the sequence as layers do.
        step = 3 if self.norm == "batch" else 2
        names = torch_layout.conv("first", "model.0")
        for index in range(1, self.depth - 1):
            place = 2 + step * (index - 1)
            names |= torch_layout.conv(f"conv{index}", f"model.{place}")
            if self.norm == "batch":
                names |= _norm_names(f"norm{index}", f"model.{place + 1}")
        last = 2 + step * (self.depth - 2)
        return names | torch_layout.conv("last", f"model.{last}")

    def _conv(self, name):
        return layers.Conv(self.width, dtype=self.dtype, name=name)

    def _normalised(self, h, name, train):
        # Not `layers.Norm`, whose epsilon is PyTorch's default.
        return nn.BatchNorm(
            use_running_average=not train,
            momentum=0.9,
            epsilon=1e-4,
            use_fast_variance=False,
            dtype=self.dtype,
            name=name,
        )(h)


def _norm_names(path, prefix):
    return {
        f"params/{path}/scale": f"{prefix}.weight",
        f"params/{path}/bias": f"{prefix}.bias",
        f"batch_stats/{path}/mean": f"{prefix}.running_mean",
        f"batch_stats/{path}/var": f"{prefix}.running_var",
    }


def torch_options(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any] | None:
    """Returns the options of a published state dict, None of another network's.

    `shapes` are those of its tensors. A network that takes a level of noise beside the
    image (FDnCNN) is another: it subtracts nothing. IRCNN, of seven layers, has the
    same tensors as a DnCNN of that depth, but dilated convolutions: it is not told
    apart.
    """
    if not all(re.fullmatch(r"model\.\d+\.\w+", name) for name in shapes):
        return None
    kernels = {
        int(name.split(".")[1]): shape
        for name, shape in shapes.items()
        if len(shape) == 4
    }
    norm = "batch" if "model.3.running_mean" in shapes else "none"
    step = 3 if norm == "batch" else 2
    depth = len(kernels)
    if set(kernels) != {0, *(2 + step * index for index in range(depth - 1))}:
        return None
    width, channels = kernels[0][:2]
    if kernels[max(kernels)][0] != channels:
        return None
    return {"width": width, "depth": depth, "norm": norm, "channels": channels}
