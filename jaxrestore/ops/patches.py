"""Rearranging pixels: blocks to channels and back, padding to a multiple."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxrestore.ops import sides


def space_to_depth(
    images: Float[Array, "*b h w c"], block: int
) -> Float[Array, "*b hh ww cc"]:
    """Returns each `block` x `block` square as channels: (row, column, channel)."""
    *batch, height, width, channels = images.shape
    shape = (*batch, height // block, block, width // block, block, channels)
    blocks = jnp.swapaxes(images.reshape(shape), -4, -3)
    return blocks.reshape(*batch, height // block, width // block, -1)


def depth_to_space(
    images: Float[Array, "*b h w c"], block: int
) -> Float[Array, "*b hh ww cc"]:
    """Returns the inverse of `space_to_depth`."""
    *batch, height, width, channels = images.shape
    shape = (*batch, height, width, block, block, channels // block**2)
    blocks = jnp.swapaxes(images.reshape(shape), -4, -3)
    return blocks.reshape(*batch, height * block, width * block, -1)


def pixel_shuffle(
    images: Float[Array, "*b h w c"], block: int
) -> Float[Array, "*b hh ww cc"]:
    """Returns `depth_to_space` of channels in the order (channel, row, column).

    Source: Shi et al., "Real-Time Single Image and Video Super-Resolution Using an
    Efficient Sub-Pixel Convolutional Neural Network", CVPR 2016; the order is that of
    `torch.nn.PixelShuffle`, so that published weights fit.
    """
    squares = images.reshape(*images.shape[:-1], -1, block**2)
    ordered = jnp.swapaxes(squares, -1, -2).reshape(images.shape)
    return depth_to_space(ordered, block)


def pixel_unshuffle(
    images: Float[Array, "*b h w c"], block: int
) -> Float[Array, "*b hh ww cc"]:
    """Returns the inverse of `pixel_shuffle`."""
    deep = space_to_depth(images, block)
    squares = deep.reshape(*deep.shape[:-1], block**2, -1)
    return jnp.swapaxes(squares, -1, -2).reshape(deep.shape)


def pad_to_multiple(
    images: Float[Array, "b h w c"], multiple: int
) -> Float[Array, "b hh ww c"]:
    """Returns `images` continued below and to the right until sides divide `multiple`.

    The image is mirrored without repeating its edge; where it is too small for that,
    the edge pixel is repeated. Crop the result back to `h`, `w`.
    """
    height, width = images.shape[1:3]
    if multiple > 1 and sides.are_unknown(images):
        return _any_to_multiple(images, multiple)
    below, right = -height % multiple, -width % multiple
    mode = "reflect" if below < height and right < width else "edge"
    return jnp.pad(images, ((0, 0), (0, below), (0, right), (0, 0)), mode=mode)


def _any_to_multiple(images, multiple):
    known = images.shape[1:3]
    more = [-(-side // multiple) * multiple - side for side in known]
    rooms = [jnp.asarray(room) for room in more]
    fits = (rooms[0] < known[0]) & (rooms[1] < known[1])
    return sides.mirrored(images, [(0, room) for room in more], fits=fits)
