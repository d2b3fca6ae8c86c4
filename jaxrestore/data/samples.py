"""Photographs that lie inside scikit-image's wheel: nothing is downloaded.

The files are read as any other, not through `skimage.data`'s functions: those ask for
a downloader when a file's hash is not the expected one, and they ignore colour profiles
(rocket is in Adobe RGB).
"""

from pathlib import Path

from jaxrestore import errors, images
from jaxrestore.data import sources

# A real person's face: it may be scored, but not shown in strips and reports.
NOT_SHOWN = frozenset({"astronaut"})

_EVALUATION = {
    "astronaut": "astronaut.png",
    "chelsea": "chelsea.png",
    "coffee": "coffee.png",
    "rocket": "rocket.jpg",
}
_TRAINING = {
    "motorcycle_left": "motorcycle_left.png",
    "motorcycle_right": "motorcycle_right.png",
    "camera": "camera.png",
    "hubble": "hubble_deep_field.jpg",
    "retina": "retina.jpg",
    "immunohistochemistry": "ihc.png",
    "brick": "brick.png",
    "grass": "grass.png",
    "gravel": "gravel.png",
    "coins": "coins.png",
}
# CC0 or in the public domain, as the docstrings of `skimage.data` say of each.
_PUBLIC_DOMAIN = {
    "camera": "camera.png",
    "hubble": "hubble_deep_field.jpg",
    "retina": "retina.jpg",
    "brick": "brick.png",
    "grass": "grass.png",
    "gravel": "gravel.png",
    "text": "text.png",
    "clock": "clock_motion.png",
    "cell": "cell.png",
}


def evaluation() -> sources.Arrays:
    """Returns four whole colour photographs, 300 to 640 pixels a side."""
    return _load(_EVALUATION)


def training() -> sources.Arrays:
    """Returns ten images, none of them in `evaluation`; grey ones as three channels."""
    return _load(_TRAINING)


def public_domain() -> sources.Arrays:
    """Returns nine images that anybody may train on and pass the weights on.

    None of them is in `evaluation`; grey ones as three channels.
    """
    return _load(_PUBLIC_DOMAIN)


def _load(files: dict[str, str]) -> sources.Arrays:
    # Imported here, so that importing this module costs no scikit-image.
    import skimage

    folder = Path(skimage.__path__[0], "data")
    try:
        pictures = [images.decode(folder / file) for file in files.values()]
    except images.ImageError as error:
        raise errors.DamagedError(
            f"a photograph of scikit-image cannot be read: {error} Install "
            "scikit-image anew, or give folders of your own as config.data.train and "
            "config.data.evaluation"
        ) from error
    return sources.Arrays(pictures, [*files])
