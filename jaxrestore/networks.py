"""A network from its lines in a config: `{"name": file in models, …fields}`."""

import contextlib
import dataclasses
import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxrestore import naming, programs
from jaxrestore.ops import patches, ranges

PRECISIONS = ("float32", "bfloat16")
STATISTICS = ("eval", "pix2pix")


def build(role: str, recipe: Mapping[str, Any], precision: str = "float32") -> Any:
    """Returns the model `role` (`Generator`, `Discriminator`) that `recipe` names.

    Its arithmetic is in `precision`; its parameters are float32 in any case. Raises
    `ValueError` with the nearest name for an unknown network or option, for a number
    that an option does not take, and for a class that lacks what a network of this role
    needs.
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
    ranges.check(model, options)
    return model(**options, dtype=jnp.dtype(precision))


def model_class(role: str, name: str) -> type:
    """Returns the class `role` in `models/<name>.py`.

    Raises `ValueError` with the nearest file that has one, or all of them, if that file
    is not there or has none, and for a class that lacks what its role needs.
    """
    there = name in naming.files("models")
    model = getattr(naming.module("models", name), role, None) if there else None
    if model is None:
        lack = f"models/{name}.py has no {role}" if there else f"models has no {name!r}"
        raise ValueError(f"{lack}: {naming.nearest(name, _having(role))}")
    if missing := _missing(role, model):
        raise ValueError(
            f"{role} of models/{name}.py lacks {', '.join(missing)}; docs/your_own.md "
            "has an example"
        )
    return model


def _having(role: str) -> list[str]:
    """The files of `models/` with a class `role`."""
    found = []
    for name in naming.files("models"):
        with contextlib.suppress(ValueError):  # a file that a reader added
            found += [name] * hasattr(naming.module("models", name), role)
    return found


def _missing(role: str, model: Any) -> list[str]:
    """What a class has not that `build`, training and restoring ask it for."""
    if not (dataclasses.is_dataclass(model) and hasattr(model, "apply")):
        return ["the base class flax.linen.Module"]
    options = {field.name for field in dataclasses.fields(model)}
    missing = [] if "dtype" in options else ["a field dtype"]
    call = inspect.getattr_static(model, "__call__", None)
    if call is None or "train" not in keyword_options(call):
        missing.append("a keyword train in __call__")
    if role == "Generator":
        asked = ("scale", "multiple")
        missing += [f"a class variable {n}" for n in asked if not hasattr(model, n)]
    return missing


def check_result(model: Any, degraded: jax.ShapeDtypeStruct) -> None:
    """Raises `ValueError` where a generator does not return (restored, aux) of images.

    `degraded` is the shape of a batch [b, h, w, c]; nothing is computed. Restored
    images are float32, `scale` times as large, of `channels` channels.
    """
    where = f"{type(model).__name__} of {type(model).__module__}"
    init = functools.partial(model.init_with_output, train=False)
    result, _ = jax.eval_shape(init, jax.random.key(0), degraded)
    if not (isinstance(result, tuple) and len(result) == 2) or not isinstance(
        result[1], Mapping
    ):
        raise ValueError(
            f"{where} must return a pair, the restored images and a dict of further "
            "outputs, mostly empty: return restored, {}"
        )
    b, h, w, _ = degraded.shape
    wanted = (b, h * model.scale, w * model.scale, channels(model))
    told = getattr(result[0], "shape", None), str(getattr(result[0], "dtype", None))
    if told != (wanted, "float32"):
        raise ValueError(
            f"{where} restores {told[1]}{[*(told[0] or ())]} from {[*degraded.shape]}; "
            f"it must be float32{[*wanted]}, scale {model.scale} times as large and of "
            "as many channels as its field channels says, 3 without one"
        )


def fields(model: type) -> set[str]:
    """Returns the names of the options that a config may set."""
    return {*ranges.options(model)}


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


def continues(model: Any) -> str:
    """Returns how images become as long as a generator divides sides by (`multiple`).

    A mode of `numpy.pad`: "reflect" before it sees them, or, as it does itself inside,
    "edge" or "constant", which is zeros.
    """
    return getattr(model, "continues", "reflect")


def keyword_options(function: Callable[..., Any]) -> set[str]:
    """Returns the names of the keyword-only arguments of `function`."""
    return {*ranges.options(function)}


def statistics(config: Mapping[str, Any]) -> str:
    """Returns the word of `STATISTICS` with which a run is scored and used."""
    # Runs that are older than the choice were scored with the averages.
    return config.get("evaluation", {}).get("statistics", "eval")


def restore_function(
    model: Any, statistics: str = "eval"
) -> Callable[..., Float[Array, "b h w d"]]:
    """Returns jitted `(variables, degraded) -> restored` of a generator, float32.

    Any side is taken: images are mirrored up to the model's `multiple`, where it does
    not continue them itself (`continues`), and the result is cropped to `scale` times
    their size. One compilation for each shape.

    With `statistics="eval"` batch normalisation uses the running statistics of training
    and there is no dropout. With `"pix2pix"` each image is normalised by its own
    statistics and dropout is on, always with the same keys: the reference code of
    pix2pix tests so, on batches of one image.
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


def attention_function(
    model: Any,
) -> Callable[..., Float[Array, "b hh ww 2"] | None]:
    """Returns jitted `(variables, degraded) -> attention`: where each pixel looks.

    That is the output `attention` of a generator, float32: vectors down and to the
    right, here in px of the image, each as often as its place in the map is large.
    None of a generator without such an output.
    """

    @programs.compiled
    def look(variables, degraded):
        padded = patches.pad_to_multiple(degraded, model.multiple)
        places = model.apply(variables, padded, train=False)[1].get("attention")
        if places is None:
            return None
        sides = padded.shape[1] // places.shape[1], padded.shape[2] // places.shape[2]
        vectors = places.astype(jnp.float32) * jnp.array(sides)
        vectors = jnp.repeat(jnp.repeat(vectors, sides[0], 1), sides[1], 2)
        height, width = degraded.shape[1:3]
        return vectors[:, :height, :width]

    return look


def _at_any_side(model, apply, degraded):
    height, width = degraded.shape[1:3]
    if continues(model) == "reflect":
        degraded = patches.pad_to_multiple(degraded, model.multiple)
    restored = apply(degraded)
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
