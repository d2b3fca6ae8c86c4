"""Small arrays for tests of what looks at neighbours: regions, numbers, places."""

import numpy as np


def box(height, width, top, left, bottom, right):
    """Returns a region, bool [height, width], that is one rectangle."""
    region = np.zeros((height, width), bool)
    region[top:bottom, left:right] = True
    return region


def random(*shape, seed=0):
    """Returns float32 numbers in [0, 1)."""
    return np.random.default_rng(seed).random(shape, np.float32)


def neighbours(y, x, shape):
    """Returns the places beside one that are inside of an array of this shape."""
    around = [(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)]
    return [(a, b) for a, b in around if 0 <= a < shape[0] and 0 <= b < shape[1]]
