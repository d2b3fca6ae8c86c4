"""What fills holes without training: other libraries', and ours.

`pip install '.[compare]'` has the others: OpenCV (Apache-2.0) with the methods of Telea
and of Bertalmio et al., and PyPatchMatch (MIT) with the patch method of Barnes et al.
Each function takes a picture [h, w, 3] in [0, 1] and where it is lost, [h, w, 1], and
returns it filled; what stands in its hole is of no meaning.
"""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from benchmarks import machine
from jaxrestore import contracts
from jaxrestore.inference import classical

PACKAGES = ("opencv-python-headless", "pypatchmatch")
RADIUS = 3  # px: of OpenCV's example, and of the patches in PyPatchMatch's

Picture = Float[np.ndarray, "h w 3"]
Lost = Bool[np.ndarray, "h w 1"]
Fill = Callable[[Picture, Lost], Picture]


def installed() -> dict[str, Fill]:
    """Returns what fills holes by name, the others' as far as they are installed."""
    fills = {
        "mean fill": of_batches(classical.mean_fill),
        "biharmonic": of_batches(classical.biharmonic),
    }
    if opencv := machine.peer("cv2"):
        fills["Telea"] = of_opencv(opencv, opencv.INPAINT_TELEA)
        fills["Navier-Stokes"] = of_opencv(opencv, opencv.INPAINT_NS)
    if patches := machine.peer("patchmatch"):
        fills["PatchMatch"] = of_patches(patches)
    return fills


def of_batches(restore: contracts.Restore) -> Fill:
    """Returns the same of one picture for what takes a batch with its mask beside it.

    As our networks do: [b, h, w, 4], of which the last channel is 1 in the hole.
    """

    def fill(picture, lost):
        degraded = np.concatenate([picture, lost], -1, dtype=np.float32)
        return np.asarray(restore(jnp.asarray(degraded[None])))[0]

    return fill


def of_opencv(opencv: ModuleType, method: int) -> Fill:
    """Returns OpenCV's inpainting by one of its methods.

    Source: Telea, "An image inpainting technique based on the fast marching method",
    Journal of Graphics Tools 2004; Bertalmio, Bertozzi, Sapiro, "Navier-Stokes, fluid
    dynamics, and image and video inpainting", CVPR 2001.
    """

    def fill(picture, lost):
        mask = 255 * lost.astype(np.uint8)
        return _floats(opencv.inpaint(_levels(picture), mask, RADIUS, method))

    return fill


def of_patches(patchmatch: ModuleType) -> Fill:
    """Returns PyPatchMatch's inpainting, which is the same at each call.

    Source: Barnes et al., "PatchMatch: a randomized correspondence algorithm for
    structural image editing", SIGGRAPH 2009.
    """

    def fill(picture, lost):
        patchmatch.set_random_seed(0)
        mask = 255 * lost.astype(np.uint8)
        return _floats(patchmatch.inpaint(_levels(picture), mask, patch_size=RADIUS))

    return fill


def _levels(picture: Any) -> Any:
    return np.round(255 * picture).astype(np.uint8)


def _floats(levels: Any) -> Any:
    return levels.astype(np.float32) / 255
