"""StableHLO of a traced function as jax writes and reads it, for a stated time."""

from typing import Any

import jax
from jax import export

from jaxrestore import errors

PLATFORMS = ("cpu", "cuda", "rocm", "tpu")
# Of jax's documentation, "Exporting and serializing staged-out computations".
LIFETIME = (
    "read by the release of jax that wrote it, by those of six months after it, and of "
    "three weeks before it; export again for later ones"
)


def written(function: Any, image: jax.ShapeDtypeStruct) -> bytes:
    """Returns the file of a function of images with named sides, for all platforms.

    `jax.export.deserialize` reads it. Raises `ConfigError` without the package
    flatbuffers, with which jax writes such files.
    """
    exported = export.export(jax.jit(function), platforms=PLATFORMS)(image)
    try:
        return bytes(exported.serialize())
    except ImportError as error:
        raise errors.ConfigError(
            "StableHLO files are written by jax with the package flatbuffers, which is "
            "not installed; pip install 'jaxrestore[export]'"
        ) from error


def facts() -> dict[str, Any]:
    """Returns who wrote a file, and who reads it."""
    return {
        "jax": jax.__version__,
        "calling_convention": export.maximum_supported_calling_convention_version,
        "platforms": [*PLATFORMS],
        "lifetime": LIFETIME,
    }
