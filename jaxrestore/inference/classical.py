"""Restorers without training: what a shipped network has to beat.

Images are float32 [b, h, w, c] in [0, 1]; what comes back has their shape, but for what
enlarges. What fills holes takes their mask as one channel more, as `degradations.holes`
appends it: 1 in the hole. Its known pixels stay as they are, to the bit.
"""

import itertools

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxrestore import programs
from jaxrestore.ops import no_reference, resize


def unchanged(images: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
    """Returns the images as they are."""
    return images


def bicubic(
    images: Float[Array, "b h w c"], scale: float | int
) -> Float[Array, "b hh ww c"]:
    """Returns the images `scale` times as large by MATLAB's bicubic interpolation.

    Source: MATLAB's `imresize`, the baseline in papers on super-resolution.
    """
    return resize.rescale(images, scale)


def unsharp_mask(images: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
    """Returns the images sharpened by scikit-image's unsharp mask of radius 2 px.

    What a picture has more than its own blur is added once more. Of the radii 1, 2 and
    3 and the amounts 0.5, 1 and 2 these are best, in the mean over three Gaussians, a
    line and a shake, for scikit-image's four evaluation photographs; a slow test of
    this function measures it.

    Source: `skimage.filters.unsharp_mask`.
    """
    # Imported here, so that importing this module costs no scikit-image.
    from skimage import filters

    def sharpened(image):
        # With an axis of -1 it leaves most of the result unset (scikit-image 0.26.0).
        return filters.unsharp_mask(image, radius=2, amount=1, channel_axis=2)

    return jnp.asarray(np.stack([sharpened(image) for image in np.asarray(images)]))


def non_local_means(images: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
    """Returns the images denoised by scikit-image's non-local means, fast mode.

    The noise of each image is estimated by `no_reference.noise_level`. Patches of 5 px,
    a distance of 6 px and h = 0.6 sigma with sigma given are those of scikit-image's
    documented settings that restore its four evaluation photographs best.

    Source: Buades, Coll, Morel, "A non-local algorithm for image denoising", CVPR 2005,
    as `skimage.restoration.denoise_nl_means`.
    """
    # Imported here, so that importing this module costs no scikit-image.
    from skimage import restoration

    def denoised(picture):
        height, width = picture.shape[:2]
        # Sides below four tell nothing of noise, and the filter squeezes those of one.
        beyond = ((0, max(4 - height, 0)), (0, max(4 - width, 0)), (0, 0))
        image = np.pad(picture, beyond, mode="edge")
        return filtered(image).reshape(image.shape)[:height, :width]

    def filtered(image):
        sigma = no_reference.noise_level(image)
        if sigma == 0:  # a drawing without noise; the filter would divide by it
            return image
        return restoration.denoise_nl_means(
            image,
            patch_size=5,
            patch_distance=6,
            h=0.6 * sigma,
            sigma=sigma,
            fast_mode=True,
            channel_axis=-1,
        )

    return jnp.asarray(np.stack([denoised(image) for image in np.asarray(images)]))


@programs.compiled
def vector_median(images: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
    """Returns of each 3x3 window the pixel with the least sum of distances to others.

    Distances are Euclidean over the channels; of equal sums the centre's wins. The edge
    is repeated beyond the border. No colour is new.

    Source: Astola, Haavisto, Neuvo, "Vector median filters", Proceedings of the IEEE
    1990.
    """
    height, width = images.shape[1:3]
    padded = jnp.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
    # The centre first: argmin takes the first of equals.
    places = sorted(itertools.product(range(3), repeat=2), key=lambda at: at != (1, 1))
    window = [padded[:, y : y + height, x : x + width] for y, x in places]
    sums = [
        sum(jnp.sqrt(jnp.square(pixel - other).sum(-1)) for other in window)
        for pixel in window
    ]
    chosen = jnp.argmin(jnp.stack(sums), 0)[None, ..., None]
    return jnp.take_along_axis(jnp.stack(window), chosen, 0)[0]


@programs.compiled
def mean_fill(degraded: Float[Array, "b h w cc"]) -> Float[Array, "b h w c"]:
    """Returns the images with the mean colour of what is known in their holes.

    The least that any inpainting has to beat. A picture that is all hole is mid-grey.
    """
    images, lost = _parted(degraded)
    known = 1 - lost
    count = known.sum((1, 2), keepdims=True)
    total = jnp.where(lost, 0, images).sum((1, 2), keepdims=True)
    mean = jnp.where(count > 0, total / jnp.maximum(count, 1), 0.5)
    return jnp.where(lost, mean, images)


def biharmonic(degraded: Float[Array, "b h w cc"]) -> Float[Array, "b h w c"]:
    """Returns the images with their holes filled by scikit-image's biharmonic surface.

    The smoothest that continues what is known; no new detail. A picture that is all
    hole is mid-grey.

    Source: Damelin, Hoang, "On surface completion and image inpainting by biharmonic
    functions: numerical aspects", arXiv:1707.06567, as
    `skimage.restoration.inpaint_biharmonic`.
    """
    # Imported here, so that importing this module costs no scikit-image.
    from skimage import restoration

    def filled(image, start, lost):
        if lost.all() or not lost.any():
            return start
        return restoration.inpaint_biharmonic(image, lost, channel_axis=-1)

    images, lost = map(np.array, _parted(degraded))  # scikit-image wants to write
    starts = np.asarray(mean_fill(degraded))
    made = map(filled, np.where(lost, 0, images), starts, lost[..., 0])
    return jnp.where(lost, np.stack([*made]), images)


def _parted(degraded):
    """The images, and where their holes are."""
    return degraded[..., :-1], degraded[..., -1:] > 0.5
