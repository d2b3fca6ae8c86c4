"""A variational autoencoder whose decoder also sees the maps of its encoder."""

from typing import Any, ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxrestore.models import layers
from jaxrestore.ops import ranges

_LOG_VARIANCE = 10.0  # largest size: variances from 4.5e-5 to 2.2e4


class Generator(nn.Module):
    """`downs` halvings to a normal distribution over `latent` numbers, and back.

    The encoder shrinks the map by 2 ** downs, so with `downs=8` 256 px become one
    pixel; of larger images the latent is a map. A sample of the posterior is decoded
    where the caller gives a key `posterior`, its mean otherwise: one key gives one
    sample, image i has noise of its own whatever stands beside it.

    With `skips` each layer of the decoder is joined by the encoder's map of its size.
    These let it pass the latent by: watch the KL term, whose fall to 0 says that all
    samples are one image. Without them this is a VAE proper.

    54,514,051 parameters as it stands, 13,658,371 with `filters=32`.

    Source: Kingma and Welling, "Auto-Encoding Variational Bayes", ICLR 2014; layers,
    latent and skips from a comparison of a VAE with a GAN on damaged faces, known by
    description only, the widths from Isola et al., "Image-to-Image Translation with
    Conditional Adversarial Networks", CVPR 2017.
    """

    filters: ranges.Count = 64
    downs: ranges.Count = 8
    latent: ranges.Count = 64
    skips: bool = True
    channels: ranges.Count = 3
    dtype: Any = jnp.float32

    scale: ClassVar[int] = 1
    stochastic: ClassVar[bool] = True

    @property
    def multiple(self) -> int:
        """Side lengths must divide by this."""
        return 2**self.downs

    @nn.compact
    def __call__(
        self, degraded: Float[Array, "b h w c"], *, train: bool
    ) -> tuple[Float[Array, "b h w d"], dict[str, Array]]:
        """Returns images in [0, 1], and the posterior as `latent`.

        That is [b, h / multiple, w / multiple, 2 * latent], the means and then the
        logarithms of the variances, within 10 of 0: what `losses.kl_gaussian` takes.
        Raises `ValueError` without a layer down, and when it trains on one image that
        it shrinks to one pixel.
        """
        if self.downs < 1:
            raise ValueError(f"downs is {self.downs}; it must be 1 or more")
        widths = [self.filters * min(2**level, 8) for level in range(self.downs)]
        maps = [degraded]
        for level, width in enumerate(widths):
            maps.append(self._down(maps[-1], width, level, train))
        h = maps.pop()
        mean = self._dense(self.latent, "mean")(h).astype(jnp.float32)
        spread = self._dense(self.latent, "log_variance")(h).astype(jnp.float32)
        spread = jnp.clip(spread, -_LOG_VARIANCE, _LOG_VARIANCE)
        h = self._dense(widths[-1], "projection")(self._drawn(mean, spread))
        for level in range(self.downs - 1, 0, -1):
            h = self._up(h, widths[level - 1], level, train)
            if self.skips:
                h = jnp.concatenate([h, maps.pop()], -1)
        last = layers.ConvTranspose(self.channels, dtype=self.dtype, name="up0")(h)
        restored = nn.sigmoid(last.astype(jnp.float32))
        return restored, {"latent": jnp.concatenate([mean, spread], -1)}

    def _drawn(self, mean, log_variance):
        if not self.has_rng("posterior"):
            return mean
        keys = jax.vmap(jax.random.fold_in, (None, 0))(
            self.make_rng("posterior"), jnp.arange(len(mean))
        )
        noise = jax.vmap(lambda key: jax.random.normal(key, mean.shape[1:]))(keys)
        return mean + jnp.exp(log_variance / 2) * noise

    def _down(self, h, features, level, train):
        h = layers.Conv(
            features,
            kernel=4,
            stride=2,
            padding=1,
            bias=False,  # batch normalisation would subtract it again
            dtype=self.dtype,
            name=f"down{level}",
        )(h)
        return nn.leaky_relu(self._normalised(h, f"down{level}_norm", train), 0.2)

    def _up(self, h, features, level, train):
        deconv = layers.ConvTranspose(
            features, bias=False, dtype=self.dtype, name=f"up{level}"
        )
        return nn.relu(self._normalised(deconv(h), f"up{level}_norm", train))

    def _normalised(self, h, name, train):
        return layers.Norm("batch", dtype=self.dtype, name=name)(h, train=train)

    def _dense(self, features, name):
        return nn.Dense(features, dtype=self.dtype, name=name)
