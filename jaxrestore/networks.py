"""A network from its lines in a config: `{"name": file in models, …fields}`."""

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxrestore import naming, programs
from jaxrestore.ops import patches

PRECISIONS = ("float32", "bfloat16")
STATISTICS = ("eval", "pix2pix")


def build(role: str, recipe: Mapping[str, Any], precision: str = "float32") -> Any:
    """Returns the model `role` (`Generator`, `Discriminator`) that `recipe` names.

    Its arithmetic is in `precision`; its parameters are float32 in any case. Raises
    `ValueError` with the nearest name for an unknown network or option.
    """
    model = model_class(role, recipe["name"])
    known = fields(model)
    options = {name: value for name, value in recipe.items() if name != "name"}
    for name in options:
        if name not in known:
            raise ValueError(
                f"{recipe['name']} has no option {name!r}: "
                f"{naming.nearest(name, known)}"
            )
    return model(**options, dtype=jnp.dtype(precision))


def model_class(role: str, name: str) -> type:
    """Returns the class `role` in `models/<name>.py`; raises `ValueError` if none."""
    home = naming.module("models", name)
    if not hasattr(home, role):
        raise ValueError(f"models/{name}.py has no {role}; choose another network")
    return getattr(home, role)


def fields(model: type) -> set[str]:
    """Returns the names of the options that a config may set."""
    ours = {field.name for field in dataclasses.fields(model)}
    return ours - {"parent", "name", "dtype"}


def channels(model: Any) -> int:
    """Returns how many channels the images of a generator have: 1, or 3 for colour."""
    return getattr(model, "channels", 3)  # some know nothing but colour


def reach(model: Any, statistics: str = "eval") -> int | None:
    """Returns how many px of its input a pixel of a generator's result sees, each way.

    What lies further away does not change it. None where that is the whole image, as
    under the statistics of pix2pix, and of a network that does not say.
    """
    return getattr(model, "reach", None) if statistics == "eval" else None


def smallest(model: Any) -> int:
    """Returns the smallest side, px, of images that a generator takes; mostly 1."""
    return getattr(model, "smallest", 1)


def keyword_options(function: Callable[..., Any]) -> set[str]:
    """Returns the names of the keyword-only arguments of `function`."""
    parameters = inspect.signature(function).parameters.values()
    return {p.name for p in parameters if p.kind is p.KEYWORD_ONLY}


def statistics(config: Mapping[str, Any]) -> str:
    """Returns the word of `STATISTICS` with which a run is scored and used."""
    # Runs that are older than the choice were scored with the averages.
    return config.get("evaluation", {}).get("statistics", "eval")


def restore_function(
    model: Any, statistics: str = "eval"
) -> Callable[..., Float[Array, "b h w d"]]:
    """Returns jitted `(variables, degraded) -> restored` of a generator, float32.

    Any side is taken: images are padded to the model's `multiple` and the result is
    cropped to `scale` times their size. One compilation for each shape.

    With `statistics="eval"` batch normalisation uses what training averaged and there
    is no dropout. With `"pix2pix"` each image is normalised by its own statistics and
    dropout is on, always with the same keys: the reference code of pix2pix tests so,
    on batches of one image.
    """
    assert statistics in STATISTICS, statistics
    apply = _as_tested if statistics == "eval" else _as_trained

    @programs.compiled
    def restore(variables, degraded):
        return _at_any_side(model, lambda x: apply(model, variables, x), degraded)

    return restore


def sample_function(model: Any) -> Callable[..., Float[Array, "b h w d"]]:
    """Returns jitted `(variables, key, degraded) -> restored` of a generator, float32.

    One key gives one sample of the posterior, image i its own, whatever stands beside
    it; a generator that is not `stochastic` gives what `restore_function` does. Sides
    and statistics as there with `"eval"`.
    """

    @programs.compiled
    def sample(variables, key, degraded):
        def drawn(images):
            return model.apply(variables, images, train=False, rngs={"posterior": key})

        return _at_any_side(model, lambda x: drawn(x)[0], degraded)

    return sample


def _at_any_side(model, apply, degraded):
    height, width = degraded.shape[1:3]
    restored = apply(patches.pad_to_multiple(degraded, model.multiple))
    restored = restored[:, : height * model.scale, : width * model.scale]
    return restored.astype(jnp.float32)


def _as_tested(model, variables, degraded):
    return model.apply(variables, degraded, train=False)[0]


def _as_trained(model, variables, degraded):
    """Each image as a batch of its own; the statistics it moves are dropped."""
    moved = [name for name in variables if name != "params"]

    def one(image):
        # One key for all: an image is restored alike, whatever stands beside it.
        rngs = {"dropout": jax.random.key(0)}
        (restored, _), _ = model.apply(
            variables, image[None], train=True, mutable=moved, rngs=rngs
        )
        return restored[0]

    return jax.vmap(one)(degraded)
