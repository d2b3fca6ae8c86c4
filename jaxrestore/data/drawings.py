"""Synthetic training images of what people draw: flat colours, outlines, text, dither.

What photographs and dead leaves lack: areas of one colour, also black, white and fully
saturated ones, edges of one pixel, letters, regular patterns.
"""

import colorsys

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,:;-+()&%?"
_BLACK, _WHITE = (0, 0, 0), (255, 255, 255)


def paint(generator: np.random.Generator, side: int) -> UInt8[np.ndarray, "h w 3"]:
    """Returns one image: shapes, text, patches, halftones, or shades cut off."""
    kind = generator.choice(5, p=(0.35, 0.15, 0.15, 0.15, 0.2))
    image = (shapes, page, patches, halftones, glare)[kind](generator, side)
    if generator.random() < 0.1:
        few = Image.fromarray(image).quantize(int(generator.integers(2, 9)))
        image = np.array(few.convert("RGB"))
    return image


def _color(generator):
    """Black, white, grey, or a hue, mostly of full saturation."""
    kind = generator.random()
    if kind < 0.3:
        return _WHITE if kind < 0.18 else _BLACK
    if kind < 0.4:
        return (int(generator.integers(256)),) * 3
    saturation = 1.0 if generator.random() < 0.6 else generator.random()
    value = 1.0 if generator.random() < 0.5 else generator.random()
    red, green, blue = colorsys.hsv_to_rgb(generator.random(), saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)


def shapes(generator: np.random.Generator, side: int) -> UInt8[np.ndarray, "h w 3"]:
    """Returns areas of one colour over one another, with or without an outline."""
    image = Image.new("RGB", (side, side), _color(generator))
    draw = ImageDraw.Draw(image)
    outline = _BLACK if generator.random() < 0.5 else None
    for _ in range(int(generator.integers(3, 25))):
        x, y = generator.uniform(-0.2, 1.0, 2) * side
        width, height = generator.uniform(0.03, 0.7, 2) * side
        box = [x, y, x + width, y + height]
        stroke = int(generator.integers(1, 5))
        kind = generator.integers(4)
        if kind == 0:
            draw.rectangle(box, _color(generator), outline, stroke)
        elif kind == 1:
            draw.ellipse(box, _color(generator), outline, stroke)
        elif kind == 2:
            corners = [tuple(corner) for corner in generator.uniform(0, side, (3, 2))]
            draw.polygon(corners, _color(generator), outline)
        else:
            draw.line(box, _color(generator), stroke)
    if generator.random() < 0.3:
        _write(generator, draw, side, _color(generator))
    return np.array(image)


def page(generator: np.random.Generator, side: int) -> UInt8[np.ndarray, "h w 3"]:
    """Returns lines of text on a page of one colour."""
    paper, ink = _color(generator), _color(generator)
    if generator.random() < 0.6:
        paper, ink = (_WHITE, _BLACK) if generator.random() < 0.8 else (_BLACK, _WHITE)
    image = Image.new("RGB", (side, side), paper)
    draw = ImageDraw.Draw(image)
    for _ in range(int(generator.integers(4, 20))):
        _write(generator, draw, side, ink)
    return np.array(image)


def _write(generator, draw, side, ink):
    letters = generator.choice(list(_LETTERS), int(generator.integers(3, 30)))
    font = ImageFont.load_default(size=float(generator.uniform(7, 28)))
    place = tuple(generator.uniform(-0.1, 0.9, 2) * side)
    draw.text(place, "".join(letters), ink, font)


def patches(generator: np.random.Generator, side: int) -> UInt8[np.ndarray, "h w 3"]:
    """Returns squares, stripes or a chart, each cell of one colour."""
    rows, columns = generator.integers(2, 16, 2)
    if generator.random() < 0.3:
        rows = 1
    cells = [[_color(generator) for _ in range(columns)] for _ in range(rows)]
    if generator.random() < 0.3:  # two colours in turn
        pair = np.array([_color(generator), _color(generator)])
        cells = pair[np.add.outer(np.arange(rows), np.arange(columns)) % 2]
    small = Image.fromarray(np.array(cells, np.uint8))
    return np.array(small.resize((side, side), Image.Resampling.NEAREST))


def halftones(generator: np.random.Generator, side: int) -> UInt8[np.ndarray, "h w 3"]:
    """Returns smooth shades, each pixel black or white, or of one of a few colours."""
    cells = int(generator.integers(2, 9))
    shades = generator.integers(0, 256, (cells, cells, 3), np.uint8)
    if generator.random() < 0.5:
        shades = shades[..., :1].repeat(3, -1)
    smooth = Image.fromarray(shades).resize((side, side), Image.Resampling.BICUBIC)
    if generator.random() < 0.5:
        return dithered(np.array(smooth))
    few = smooth.quantize(int(generator.integers(2, 9)))
    return np.array(few.convert("RGB"))


def glare(generator: np.random.Generator, side: int) -> UInt8[np.ndarray, "h w 3"]:
    """Returns smooth shades that leave the range, cut off at black and white.

    A denoiser learns here what noise that is cut off too does to a mean.
    """
    cells = int(generator.integers(1, 5))
    shades = generator.uniform(-0.5, 1.5, (cells, cells, 3)).astype(np.float32)
    if generator.random() < 0.6:
        shades = shades[..., :1].repeat(3, -1)
    planes = [Image.fromarray(plane) for plane in np.moveaxis(shades, -1, 0)]
    enlarged = [
        plane.resize((side, side), Image.Resampling.BICUBIC) for plane in planes
    ]
    smooth = [np.asarray(plane) for plane in enlarged]
    return np.rint(np.stack(smooth, -1).clip(0, 1) * 255).astype(np.uint8)


def dithered(image: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h w 3"]:
    """Returns an image in black and white.

    Source: Floyd and Steinberg, "An adaptive algorithm for spatial greyscale", 1976, as
    Pillow has it.
    """
    return np.array(Image.fromarray(image).convert("1").convert("RGB"))
