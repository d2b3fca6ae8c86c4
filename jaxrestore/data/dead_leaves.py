"""Synthetic training images: leaves of random size that hide one another.

They have the occlusions, the scale invariance and, above all, the colours of natural
images, and need no download and no licence.

Source: Lee, Mumford and Huang, "Occlusion models for natural images", IJCV 2001,
https://doi.org/10.1023/A:1011109015675; Baradad Jurjo et al., "Learning to see by
looking at noise", NeurIPS 2021, https://arxiv.org/abs/2106.05963.
"""

import numpy as np
from jaxtyping import Float, Float32, Int, UInt8
from PIL import Image, ImageDraw

_FINER = 2  # supersampling
_COVERAGE = 5.0  # at five-fold, about 0.6 % of the background shows through
# Warm against cold, green against magenta: the opponent axes of natural images.
# Source: Ohta, Kanade and Sakai, "Color information for region segmentation", 1980.
_OPPONENTS = np.array([[1, 0, -1], [-1, 2, -1]]) / np.sqrt([[2], [6]])


def paint(
    generator: np.random.Generator, side: int, zoom: float | int = 1
) -> UInt8[np.ndarray, "h w 3"]:
    """Returns one image of discs, ellipses, boxes and diamonds, painted back to front.

    Radii follow r^-alpha, above 1.5 to 3 px times `zoom`. Each leaf has a colour, a
    linear gradient and its own piece of a 1/f texture; edges are anti-aliased, and half
    of the images slightly blurred.
    """
    radii = _radii(generator, side, zoom)
    centres = generator.uniform(-radii, side + radii, (2, len(radii)))
    owners = _draw(_outlines(generator, radii, centres), side)
    looks = _looks(generator, radii, centres)
    image = _shade(owners, looks, _texture(generator, side), generator)
    if generator.random() < 0.5:
        image = _blur(image, generator.uniform(0.0, 0.25))
    return np.rint(image.clip(0.0, 1.0) * 255.0).astype(np.uint8)


def _radii(
    generator: np.random.Generator, side: int, zoom: float | int
) -> Float32[np.ndarray, " n"]:
    """Returns radii in pixels, as many as cover the image `_COVERAGE` times."""
    alpha = generator.uniform(2.6, 3.2)
    smallest = zoom * generator.uniform(1.5, 3.0)
    largest = max(0.6 * side, 4.0 * zoom)
    low, high = smallest ** (1 - alpha), largest ** (1 - alpha)

    def radius(quantile: np.ndarray) -> np.ndarray:  # the inverse of r^-alpha's CDF
        return (low + (high - low) * quantile) ** (1 / (1 - alpha))

    # Centres lie up to a radius outside, so this share of a leaf falls inside.
    typical = radius((np.arange(4096) + 0.5) / 4096)
    inside = (side / (side + 2 * typical)) ** 2
    area = 2.2 * np.mean(typical**2 * inside)  # 2.2 r^2: over the kinds and aspects
    count = int(np.ceil(_COVERAGE * side**2 / area))
    return radius(generator.random(count)).astype(np.float32)


def _outlines(
    generator: np.random.Generator,
    radii: Float32[np.ndarray, " n"],
    centres: Float[np.ndarray, "2 n"],
) -> list[list[float]]:
    """Returns each leaf's polygon as x, y, x, y, ... on the finer canvas."""
    count = len(radii)
    disc, ellipse, box, _ = range(4)  # and diamonds
    kinds = generator.choice(4, count, p=generator.dirichlet(np.ones(4)))
    aspects = np.where(kinds == disc, 1.0, generator.uniform(0.3, 1.0, count))
    turns = generator.uniform(0.0, 2 * np.pi, count)
    # Few corners are enough where a leaf is small.
    corners = np.where(kinds > ellipse, 4, np.where(radii < 12, 16, 48))
    outlines: list[list[float]] = [[]] * count
    for number in (4, 16, 48):
        (chosen,) = np.nonzero(corners == number)
        boxes = (kinds[chosen] == box)[:, None]
        angles = np.arange(number) * (2 * np.pi / number) + boxes * (np.pi / 4)
        scale = _FINER * np.where(boxes, np.sqrt(2.0), 1.0) * radii[chosen, None]
        along, across = scale * np.cos(angles), scale * np.sin(angles)
        across *= aspects[chosen, None]
        cosine, sine = np.cos(turns[chosen, None]), np.sin(turns[chosen, None])
        x = along * cosine - across * sine + _FINER * centres[0, chosen, None]
        y = along * sine + across * cosine + _FINER * centres[1, chosen, None]
        flat = np.stack([x, y], axis=-1).reshape(len(chosen), 2 * number).tolist()
        for position, outline in zip(chosen.tolist(), flat, strict=True):
            outlines[position] = outline
    return outlines


def _draw(outlines: list[list[float]], side: int) -> Int[np.ndarray, "H W"]:
    """Returns which leaf is seen at each fine pixel: 1 is the lowest, 0 is none."""
    canvas = Image.new("I", (_FINER * side, _FINER * side))
    draw = ImageDraw.Draw(canvas)
    for leaf, outline in enumerate(outlines, start=1):
        draw.polygon(outline, fill=leaf)
    return np.asarray(canvas)


def _looks(
    generator: np.random.Generator,
    radii: Float32[np.ndarray, " n"],
    centres: Float[np.ndarray, "2 n"],
) -> Float32[np.ndarray, "m 6"]:
    """Returns per leaf: red, green, blue at x = y = 0, slopes in x and y, texture.

    Row 0 is the background. The colours matter most to what is learnt: luminance
    from a per-image Beta distribution in a per-image range, little chroma along two
    opponent axes around a per-image cast.
    """
    count = len(radii) + 1
    low, high = generator.uniform(0.0, 0.2), generator.uniform(0.65, 1.0)
    first, second = generator.uniform([0.4, 0.5], [1.6, 2.4])
    luminance = low + (high - low) * generator.beta(first, second, count)
    # Spread and cast as measured on 397 training photographs of BSDS500.
    spread = generator.uniform(0.03, 0.13) * np.array([[1.0], [0.35]])
    cast = generator.normal([[0.04], [0.03]], [[0.1], [0.035]])
    chroma = cast + spread * generator.standard_normal((2, count))
    slopes = np.zeros((2, count))
    slopes[:, 1:] = generator.normal(0.0, 0.06, (2, count - 1)) / radii
    luminance[1:] -= (slopes[:, 1:] * centres).sum(axis=0)  # turn about the centre
    looks = np.empty((count, 6), np.float32)
    looks[:, :3] = luminance[:, None] + chroma.T @ _OPPONENTS
    looks[:, 3:5] = slopes.T
    looks[:, 5] = np.abs(generator.normal(0.0, generator.uniform(0.0, 0.08), count))
    return looks


def _texture(generator: np.random.Generator, side: int) -> Float32[np.ndarray, "h w"]:
    """Returns noise with amplitude 1/f, mean 0 and deviation 1, that tiles."""
    spectrum = np.fft.rfft2(generator.standard_normal((side, side), np.float32))
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side))
    frequency[0, 0] = np.inf
    texture = np.fft.irfft2(spectrum / frequency, (side, side))
    return (texture / max(texture.std(), 1e-6)).astype(np.float32)


def _shade(
    owners: Int[np.ndarray, "H W"],
    looks: Float32[np.ndarray, "m 6"],
    texture: Float32[np.ndarray, "h w"],
    generator: np.random.Generator,
) -> Float32[np.ndarray, "h w 3"]:
    """Returns the image: every term is linear in the looks, so those are averaged."""
    side = len(texture)
    steps = range(_FINER)
    fine = [owners[row::_FINER, column::_FINER] for row in steps for column in steps]
    look = np.mean([looks[owner] for owner in fine], axis=0)
    y, x = np.mgrid[:side, :side]
    # A piece of its own for each leaf, or the texture would run on across edges.
    shifts = generator.integers(0, side, (len(looks), 2))[fine[0]]
    piece = texture[(y + shifts[..., 0]) % side, (x + shifts[..., 1]) % side]
    x, y = (x + 0.5).astype(np.float32), (y + 0.5).astype(np.float32)
    light = look[..., 3] * x + look[..., 4] * y + look[..., 5] * piece
    return look[..., :3] + light[..., None]


def _blur(
    image: Float32[np.ndarray, "h w 3"], share: float
) -> Float32[np.ndarray, "h w 3"]:
    """Returns the image with `share` of each pixel given to each neighbour, by axis."""
    padded = np.pad(image, ((1, 1), (0, 0), (0, 0)), mode="edge")
    image = (1 - 2 * share) * image + share * (padded[:-2] + padded[2:])
    padded = np.pad(image, ((0, 0), (1, 1), (0, 0)), mode="edge")
    return (1 - 2 * share) * image + share * (padded[:, :-2] + padded[:, 2:])
