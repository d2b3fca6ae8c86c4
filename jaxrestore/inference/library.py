"""Restoring a picture in one call, whatever kind it is of; users call `restore`."""

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxrestore import errors
from jaxrestore.inference import kinds, masks, restorer, shipped


def restore(
    image: Any,
    task: Any,
    *,
    mask: Any = None,
    level: float | int | None = None,
    strength: float | int | None = None,
    tile: int | None = None,
    ensemble: bool = False,
    frame: int | None = None,
    progress: Callable[[float], object] = lambda share: None,
) -> Any:
    """Returns the image restored: of the same kind, with values of the same type.

    `image` is a path, a Pillow image, a NumPy or JAX array [h, w], [h, w, c] or
    [b, h, w, c] of 8 bits (0 to 255), 16 bits or floats in [0, 1], or a list of these;
    see `kinds.opened` for what each comes back as. Files in sRGB keep their depth, so
    that of 16 bits all are computed with. `task` is a shipped network's (`jaxrestore
    models list`), or what `load` takes or has returned.

    `mask`, of a network that fills holes, is a path, an image or an array [h, w] that
    is white, 255 or True, where pixels are missing, or a list or a batch with one for
    each image; one serves all; `"alpha"` or `"opaque"` take the image's own alpha.
    `level`, `strength`, `tile` and `ensemble` are those of `restorer.restore_image`.
    `frame`, from 0, is which picture of an animated file is meant, or of several pages.
    `progress` is called with the share that is done, up to 1; what it raises ends the
    work. What a JPEG file says of its original only `jaxrestore restore` keeps to.

    Raises `ConfigError` for what `load` and `restorer.restore_image` refuse, and
    `ImageError` for files that cannot be read, and images that are too small.

    >>> noisy = np.random.default_rng(0).integers(0, 256, (16, 24, 3), np.uint8)
    >>> restore(noisy, "photo").shape
    (16, 24, 3)
    >>> restore(noisy / 255, "photo", strength=0.5).dtype
    dtype('float64')
    """
    network = task if isinstance(task, restorer.Restorer) else load(task)
    arrays, back = kinds.opened(image, frame)
    holes = _holes(mask, len(arrays))
    made = []
    for index, (array, hole) in enumerate(zip(arrays, holes, strict=True)):
        if isinstance(hole, str):
            array, hole = masks.of_alpha(array, hole)
        share = functools.partial(_share, progress, index, len(arrays))
        made.append(
            restorer.restore_image(
                network,
                array,
                mask=hole,
                level=level,
                strength=strength,
                tile=tile,
                ensemble=ensemble,
                progress=share,
            )
        )
    return back(made)


def load(what: Any) -> restorer.Restorer:
    """Returns the network of a task, of a file of weights, or of a run's folder.

    A string is a task where one ships under that name, and its network is kept; else it
    is a path, as a `Path` always is. Raises `ConfigError` for neither, with the nearest
    task, and as `restorer.load_weights` and `of_runs.load`.

    >>> load("jpeg").scale
    1
    """
    if isinstance(what, str) and what in shipped.tasks():
        return _shipped(what)
    path = place(what)
    if path.is_dir():
        # Imported here: Orbax is loaded for runs alone.
        from jaxrestore.inference import of_runs

        return of_runs.load(path)
    return restorer.load_weights(path)


def place(what: Any) -> Path:
    """Returns the file of weights, or the run's folder, of what `load` takes.

    Raises `ConfigError` for neither, with the nearest task.

    >>> place("jpeg").name
    'jpeg.safetensors'
    """
    if not isinstance(what, (str, Path)):
        raise errors.ConfigError(
            f"a task is {type(what).__name__}, but must be the name of one, a path of "
            "weights or of a run, or a Restorer"
        )
    path = Path(what)
    is_path = isinstance(what, Path) or path.exists() or path.suffix
    if is_path and what not in shipped.tasks():
        return path
    return shipped.path(str(what))


@functools.lru_cache(maxsize=8)
def _shipped(task: str) -> restorer.Restorer:
    return shipped.load(task)


def _holes(mask: Any, count: int) -> Sequence[Any]:
    """A mask [h, w], a word or None for each image."""
    if mask is None or (isinstance(mask, str) and mask in masks.WORDS):
        return [mask] * count
    batch = getattr(mask, "ndim", 0) > 2 and len(mask) == count > 1
    given = [*mask] if batch or isinstance(mask, (list, tuple)) else [mask]
    found = [_hole(one) for one in given]
    if len(found) not in (1, count):
        raise errors.ConfigError(
            f"there are {len(found)} masks for {count} images; give one, or as many"
        )
    return found * (count if len(found) == 1 else 1)


def _hole(mask: Any) -> np.ndarray:
    """A mask's values [h, w]: those of an array, the luma of a picture or of a file."""
    if isinstance(mask, (str, Path)):
        return masks.read(Path(mask))
    arrays = kinds.opened(mask).arrays
    if len(arrays) != 1:
        raise errors.ConfigError(
            f"a mask holds {len(arrays)} pictures; give one [h, w] for each image"
        )
    values = arrays[0]
    flat = values.shape[2] == 1 or values.dtype != np.uint8
    return values[..., 0] if flat else masks.luma(values)


def _share(progress, index, count, share):
    progress((index + share) / count)
