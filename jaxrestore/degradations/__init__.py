"""Ways to damage an image: one phenomenon, one file, one `degrade(key, image, *, …)`.

Every `degrade` is pure and jittable, takes one float32 image [h, w, c] in [0, 1] and
does not clip, so that stages can be chained. `batched.degrade` maps one over a batch.
"""

from jaxrestore import naming


def kinds() -> list[str]:
    """Returns the names of the degradations, none of which is imported."""
    return [name for name in naming.files("degradations") if name != "batched"]
