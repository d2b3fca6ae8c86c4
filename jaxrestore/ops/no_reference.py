"""What a picture alone tells of its noise, its blocks and its sharpness.

Nothing here needs a device: arrays are NumPy's, and what scores of `metrics` are made
of takes jax's too.
"""

from typing import Any

import numpy as np
from jaxtyping import Float, UInt8, UInt16

from jaxrestore.ops import levels

# The high-pass filter of Daubechies' wavelet with two vanishing moments, of norm 1.
_ROOT = np.sqrt(3)
_HIGH_PASS = np.array([1 - _ROOT, _ROOT - 3, 3 + _ROOT, -1 - _ROOT]) / np.sqrt(32)
_MEDIAN_OF_NORMAL = 0.6744897501960817  # of the absolute value, for a deviation of 1
_BLOCK = 8  # px, of JPEG
_WINDOW = 96  # px a side of each part of a large picture
_FAINT = 1e-8  # a squared step far below one 8-bit level


def estimates(
    image: UInt8[np.ndarray, "h w c"] | UInt16[np.ndarray, "h w c"],
) -> dict[str, float]:
    """Returns what can be told of a picture: `sigma`, `blockiness` and `sharpness`.

    `sigma` is `noise_level` and `sharpness` the root mean square of the steps to the
    pixel below and to the right, both in levels of 8 bits, 0 to 255; the latter is the
    spatial frequency of Eskicioglu and Fisher. `blockiness` is the mean squared step
    across the borders of JPEG's blocks over that elsewhere, 1 where there are no
    blocks. Alpha does not count. Of a large picture nine windows are looked at, in rows
    and columns of three; of one with a side below 9 px nothing is told.

    >>> flat = np.full((64, 64, 3), 128, np.uint8)
    >>> no_reference.estimates(flat)
    {'sigma': 0.0, 'blockiness': 1.0, 'sharpness': 0.0}
    """
    height, width, channels = image.shape
    if min(height, width) <= _BLOCK:
        return {}
    colors = image[..., : channels - (channels in (2, 4))]
    windows = np.stack(
        [
            levels.floats(colors[rows, columns])
            for rows in _spans(height)
            for columns in _spans(width)
        ]
    )
    across, elsewhere = (steps.mean() for steps in block_steps(windows))
    return {
        "sigma": 255 * float(np.median([noise_level(window) for window in windows])),
        "blockiness": float((across + _FAINT) / (elsewhere + _FAINT)),
        "sharpness": 255 * float(np.sqrt(gradient_energy(windows).mean())),
    }


def compared(before: np.ndarray, after: np.ndarray) -> dict[str, float]:
    """Returns the `estimates` of two pictures by names that end in `_in` and `_out`."""
    ends = {"in": before, "out": after}
    return {
        f"{name}_{end}": value
        for end, image in ends.items()
        for name, value in estimates(image).items()
    }


def _spans(side: int) -> list[slice]:
    """All of a short side; of a long one three parts that begin where blocks do."""
    if side <= 3 * _WINDOW:
        return [slice(0, side)]
    starts = (0, (side - _WINDOW) // 2, side - _WINDOW)
    places = [start // _BLOCK * _BLOCK for start in starts]
    return [slice(place, place + _WINDOW) for place in places]


def noise_level(image: Float[np.ndarray, "h w c"]) -> float:
    """Returns the estimated standard deviation of white noise in an image, in its unit.

    The median of the absolute diagonal details, over that of a standard normal
    variable; the mean over channels. Sides are 4 px or more.

    Source: Donoho and Johnstone, "Ideal spatial adaptation by wavelet shrinkage",
    Biometrika 1994; with the wavelet of scikit-image's `estimate_sigma`, at every place
    instead of every second.
    """
    details = _filtered(_filtered(image, 0), 1)
    medians = np.median(np.abs(details), axis=(0, 1))
    return float(medians.mean() / _MEDIAN_OF_NORMAL)


def block_steps(images: Any) -> tuple[Any, Any]:
    """Returns the mean squared steps across borders, and those elsewhere.

    Of images [b, h, w, c]; [b] each, of NumPy or jax as the images are. Borders are
    those of blocks of 8 px of which the first begins at the corner. Where no step is of
    one kind its mean is 0.

    Source: the boundaries of Yim, Bovik, "Quality Assessment of Deblocked Images", TIP
    2011. Steps are counted where they are; the paper's counts are of sides that 8
    divides.
    """
    xp = images.__array_namespace__()
    height, width, channels = images.shape[1:]
    right, down = (xp.square(xp.diff(images, axis=axis)) for axis in (2, 1))
    # Step i lies between the pixels i and i + 1.
    columns, rows = (np.arange(1, side) % _BLOCK == 0 for side in (width, height))

    def mean_step(columns, rows):
        total = right[:, :, columns].sum((1, 2, 3)) + down[:, rows].sum((1, 2, 3))
        count = height * columns.sum() + width * rows.sum()
        return total / max(count * channels, 1)

    return mean_step(columns, rows), mean_step(~columns, ~rows)


def gradient_energy(images: Any) -> Any:
    """Returns of images [b, h, w, c] the squared steps, summed, over their values: [b].

    Steps are those to the pixel below and to the right; NumPy's or jax's, as the images
    are.
    """
    xp = images.__array_namespace__()
    down, right = (xp.square(xp.diff(images, axis=axis)) for axis in (1, 2))
    values = images.shape[1] * images.shape[2] * images.shape[3]
    return (down.sum((1, 2, 3)) + right.sum((1, 2, 3))) / values


def _filtered(image, axis):
    """The high-pass filter along one axis, where it lies inside the image."""
    length = image.shape[axis] - len(_HIGH_PASS) + 1
    moved = np.moveaxis(image, axis, 0)
    taps = [w * moved[start : start + length] for start, w in enumerate(_HIGH_PASS)]
    return np.moveaxis(np.add.reduce(taps), 0, axis)
