"""Image restoration in JAX: degrade, train, evaluate, restore.

`jaxrestore.restore(image, task="photo")` restores a picture of any kind, and
`jaxrestore.Restorer.load` opens a network once for many. The modules in `__all__` are
for users of the library, as `jaxrestore.losses.l1` or `from jaxrestore import losses`.
Each is imported when it is first asked for, so that the losses never pay for
checkpoints, data loading or a web server. Examples in docstrings have `jax`,
`jax.numpy` as `jnp`, and their own module at hand.

Until 1.0 a minor version may rename or change any of this, and its changelog says so;
a patch version does not, and what a protocol computes never changes under its name.
"""

__version__ = "0.1.0"
__all__ = [
    "Restorer",
    "__version__",
    "adversarial",
    "degradations",
    "export",
    "images",
    "losses",
    "metrics",
    "networks",
    "perceptual",
    "protocols",
    "restore",
]

# Names that are no modules of this package, and where they are.
_PLACES = {
    "Restorer": "inference.restorer",
    "export": "exporting.library",
    "restore": "inference.library",
}

# True for type checkers alone; `typing` is not imported for it.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from jaxrestore import (
        adversarial,
        degradations,
        images,
        losses,
        metrics,
        networks,
        perceptual,
        protocols,
    )
    from jaxrestore.exporting.library import export
    from jaxrestore.inference.library import restore
    from jaxrestore.inference.restorer import Restorer


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module 'jaxrestore' has no attribute {name!r}")
    import importlib

    if name in _PLACES:
        place = importlib.import_module(f"jaxrestore.{_PLACES[name]}")
        return getattr(place, name)
    return importlib.import_module(f"jaxrestore.{name}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
