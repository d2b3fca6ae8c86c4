"""Ways to damage an image: one phenomenon, one file, one `degrade(key, image, *, …)`.

Every `degrade` is pure and jittable, takes one float32 image [h, w, c] in [0, 1] and
does not clip, so that stages can be chained. `batched.degrade` maps one over a batch.
Each file is imported when it is first asked for, as `degradations.jpeg`.
"""

from types import ModuleType

from jaxrestore import naming


def kinds() -> list[str]:
    """Returns the names of the degradations, none of which is imported."""
    return [name for name in naming.files("degradations") if name != "batched"]


def __getattr__(name: str) -> ModuleType:
    if name not in naming.files("degradations"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return importlib.import_module(f"{__name__}.{name}")


def __dir__() -> list[str]:
    return sorted({*globals(), *naming.files("degradations")})
