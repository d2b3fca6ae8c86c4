"""Image files for the tests, as their bytes."""

import io

import numpy as np
import tifffile
from PIL import Image


def save(image, kind="PNG", **options):
    """Returns an array, or a picture of Pillow's, as Pillow writes it."""
    file = io.BytesIO()
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    image.save(file, kind, **options)
    return file.getvalue()


def tiff(values, **options):
    """Returns an array as tifffile writes it."""
    file = io.BytesIO()
    tifffile.imwrite(file, values, **options)
    return file.getvalue()
