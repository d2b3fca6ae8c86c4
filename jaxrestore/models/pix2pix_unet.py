"""The U-Net of pix2pix: down to one pixel and up again, skips joined as channels."""

from collections.abc import Mapping
from typing import Any, ClassVar

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxrestore.models import layers, torch_layout
from jaxrestore.ops import ranges


class Generator(nn.Module):
    """`downs` strided 4x4 convolutions, as many layers that double, and a tanh.

    Inside, images are in [-1, 1]. `downs=8` is unet_256, `downs=7` unet_128: the map
    shrinks by 2 ** downs, so 256 px become one pixel. `dropout` acts on the three
    inner levels of the widest, in training only. `upsampling` is `deconv`,
    `resize_conv` or `subpixel`: see `layers.upsampled`. With `residual` the last layer
    is linear and starts at zero, and its map is added to the degraded image: the
    network starts at the identity. `norm` is `batch`, `instance` or `none`; with
    `inner_norm` it acts on the innermost map too, which pix2pix leaves as it is.
    `initialization` and `gain`: see `layers.initializer`.

    54,413,955 parameters as it stands, 54,414,979 with `inner_norm`, 41,828,995 with
    `downs=7`; with instance normalisation 54,409,603 and 41,825,667.

    Source: Isola et al., "Image-to-Image Translation with Conditional Adversarial
    Networks", CVPR 2017; the variants are ours.
    """

    filters: ranges.Count = 64
    downs: ranges.Count = 8
    norm: str = "batch"
    inner_norm: bool = False
    dropout: ranges.Share = 0.5
    upsampling: str = "deconv"
    residual: bool = False
    initialization: str = "normal"
    gain: ranges.NotNegative = 0.02
    channels: ranges.Count = 3
    dtype: Any = jnp.float32

    scale: ClassVar[int] = 1

    @property
    def multiple(self) -> int:
        """Side lengths must divide by this."""
        return 2**self.downs

    @nn.compact
    def __call__(
        self, degraded: Float[Array, "b h w c"], *, train: bool
    ) -> tuple[Float[Array, "b h w d"], dict[str, Array]]:
        """Returns images, and no further outputs.

        They are in [0, 1], or not clipped with `residual`. In training it needs a key
        for `dropout`, unless that is 0. Raises `ValueError` without a layer down,
        and when batch normalisation meets an innermost map of one pixel in training on
        one image.
        """
        if self.downs < 1:
            raise ValueError(f"downs is {self.downs}; it must be 1 or more")
        widths = [self.filters * min(2**level, 8) for level in range(self.downs)]
        h = self._down(2 * degraded - 1, widths[0], 0)
        skips = [h]
        for level in range(1, self.downs):
            innermost = level == self.downs - 1
            norm = "none" if innermost and not self.inner_norm else self.norm
            h = self._down(nn.leaky_relu(h, 0.2), widths[level], level)
            h = self._normalised(h, norm, f"down{level}_norm", train)
            skips.append(h)
        h = skips.pop()
        for level in range(self.downs - 1, 0, -1):
            h = self._up(h, widths[level - 1], level)
            h = self._normalised(h, self.norm, f"up{level}_norm", train)
            if 4 <= level < self.downs - 1:
                h = nn.Dropout(self.dropout, deterministic=not train)(h)
            h = jnp.concatenate([skips.pop(), h], -1)
        h = self._up(h, self.channels, 0)
        if self.residual:
            # A ReLU stands before the last layer, unlike `layers.residual_output`:
            # normalised maps keep it open (tests/models/test_identity_trap.py).
            return degraded[..., : self.channels] + h.astype(jnp.float32), {}
        return (nn.tanh(h).astype(jnp.float32) + 1) / 2, {}

    def torch_names(self) -> dict[str, torch_layout.Name]:
        """Returns the tensors' names in pytorch-CycleGAN-and-pix2pix.

        Raises `ValueError` for the variants of ours, which that code does not have.
        """
        ours = self.inner_norm or self.residual or self.upsampling != "deconv"
        if ours or self.norm not in ("batch", "instance"):
            raise ValueError(
                "the pix2pix_unet of PyTorch has norm batch or instance, upsampling "
                "deconv, and neither inner_norm nor residual"
            )
        names = torch_layout.conv("down0", "model.model.0", bias=self._bias)
        names |= torch_layout.conv("up0", "model.model.3")
        prefix = "model.model.1.model"
        for level in range(1, self.downs):
            innermost = level == self.downs - 1
            up = 3 if innermost else 5
            down = f"{prefix}.1"
            names |= torch_layout.conv(f"down{level}", down, bias=self._bias)
            names |= torch_layout.conv(f"up{level}", f"{prefix}.{up}", bias=self._bias)
            if self.norm == "batch":
                names |= torch_layout.batch_norm(
                    f"up{level}_norm", f"{prefix}.{up + 1}"
                )
            if self.norm == "batch" and not innermost:
                names |= torch_layout.batch_norm(f"down{level}_norm", f"{prefix}.2")
            prefix += ".3.model"
        return names

    @property
    def _bias(self):
        # One before batch normalisation would be subtracted again.
        return self.norm != "batch"

    def _down(self, h, features, level):
        return layers.Conv(
            features,
            kernel=4,
            stride=2,
            padding=1,
            bias=self._bias,
            kernel_init=layers.initializer(self.initialization, self.gain),
            dtype=self.dtype,
            name=f"down{level}",
        )(h)

    def _normalised(self, h, norm, name, train):
        return layers.Norm(norm, dtype=self.dtype, name=name)(h, train=train)

    def _up(self, h, features, level):
        last = level == 0
        kernel_init = layers.initializer(self.initialization, self.gain)
        return layers.upsampled(
            nn.relu(h),
            features,
            method=self.upsampling,
            bias=last or self._bias,
            kernel_init=(
                nn.initializers.zeros if last and self.residual else kernel_init
            ),
            dtype=self.dtype,
            name=f"up{level}",
        )


def torch_options(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any] | None:
    """Returns the options of the network that has tensors of these names and shapes.

    None for tensors of another architecture. `dropout` leaves no trace in weights.
    """
    first, last = shapes.get("model.model.0.weight"), shapes.get("model.model.3.weight")
    inner = shapes.get("model.model.1.model.1.weight")
    if first is None or last is None or inner is None or len(first) != 4:
        return None
    downs = sum(name.endswith("model.1.weight") for name in shapes) + 1
    batch = "model.model.1.model.2.running_mean" in shapes
    return {
        "filters": first[0],
        "downs": downs,
        "norm": "batch" if batch else "instance",
        "channels": last[1],
    }
