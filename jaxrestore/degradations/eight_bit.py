"""Eight bits: clipping to [0, 1] and rounding to 1/255, as a PNG file would hold it."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

_LEVELS = np.arange(256, dtype=np.float32) / 255


def degrade(key: PRNGKeyArray, image: Float[Array, "h w c"]) -> Float[Array, "h w c"]:
    """Returns `image` clipped to [0, 1] and rounded to a whole number of 255ths.

    The one degradation that clips: the end of a chain whose result would be saved.
    Halves go to the even level. Nothing is random; the gradient is 0.

    Source: the 8-bit samples of ISO/IEC 15948 (PNG); the last step of Wang, Xie, Dong,
    Shan, "Real-ESRGAN: training real-world blind super-resolution with pure synthetic
    data", ICCVW 2021.

    >>> image = jnp.array([[[-0.1], [0.1], [1.1]]])
    >>> (eight_bit.degrade(jax.random.key(0), image) * 255)[0, :, 0]
    Array([  0.,  26., 255.], dtype=float32)
    """
    del key
    # Looked up, not divided, so that levels are the same to the bit however compiled.
    levels = jnp.round(jnp.clip(image, 0, 1) * 255).astype(jnp.int32)
    return jnp.asarray(_LEVELS)[levels]
