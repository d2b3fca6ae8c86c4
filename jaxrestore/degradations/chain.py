"""A chain of degradations, one after another: blur, then noise, then JPEG."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from jaxrestore import naming
from jaxrestore.ops import ranges

_WHERE = "stage {} of the chain"
_PROBABILITY = ranges.Range(0, 1)
_BLUR_NOISE_JPEG = ({"name": "blur"}, {"name": "noise"}, {"name": "jpeg"})


def degrade(
    key: PRNGKeyArray,
    image: Float[Array, "h w c"],
    *,
    stages: Sequence[Mapping[str, Any]] = _BLUR_NOISE_JPEG,
) -> Float[Array, "hh ww cc"]:
    """Returns `image` after all `stages`, each drawing with a key of its own.

    A stage is `{"name": a file in degradations, …keyword options of its degrade}`.
    With `"probability": p` it is applied to that share of the images, drawn for each
    image; such a stage must keep the shape. No stages: the image as it is. Nothing is
    clipped between stages; the stage `{"name": "eight_bit"}` is what does.

    Source: the observation model of Elad and Feuer, "Restoration of a single
    superresolution image from several blurred, noisy, and undersampled measured
    images", TIP 1997: blur, downsampling and noise in turn; JPEG comes last, when the
    image is saved. Raises `ValueError`, naming the stage, for a stage without a name,
    an unknown name or option, a number that an option does not take, a probability
    outside [0, 1] and one of a stage that changes the shape.

    >>> stages = [{"name": "downsample", "scale": 2}, {"name": "noise", "level": 0.1}]
    >>> chain.degrade(jax.random.key(0), jnp.ones((8, 8, 3)), stages=stages).shape
    (4, 4, 3)
    """
    keys = jax.random.split(key, len(stages)) if stages else ()
    for position, (stage_key, stage) in enumerate(zip(keys, stages, strict=True)):
        where = _WHERE.format(position + 1)
        one, options, probability = _read(stage, where)
        if probability == 1:
            image = one(stage_key, image, **options)
        else:
            draw_key, apply_key = jax.random.split(stage_key)
            changed = one(apply_key, image, **options)
            _check_shape(image.shape, changed.shape, f"{where} ({stage['name']})")
            applied = jax.random.bernoulli(draw_key, float(probability))
            image = jnp.where(applied, changed, image)
    return image


def check(stages: Sequence[Mapping[str, Any]]) -> None:
    """Raises the `ValueError` of `degrade` for stages that no image could pass."""
    for position, stage in enumerate(stages):
        _read(stage, _WHERE.format(position + 1))


def _read(
    stage: Mapping[str, Any], where: str
) -> tuple[Callable[..., Any], dict[str, Any], float | int]:
    options = dict(stage)
    if not isinstance(name := options.pop("name", None), str):
        raise ValueError(
            f"{where} has no name, got {options}; write "
            '{"name": a file in degradations, and its options}'
        )
    try:
        one = naming.module("degradations", name).degrade
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
    probability = options.pop("probability", 1)
    if not ranges.holds(_PROBABILITY, probability):
        raise ValueError(
            f"{where} ({name}): probability is {probability!r}; it must lie in [0, 1]"
        )
    known = {*ranges.options(one)}
    if "image" not in inspect.signature(one).parameters:
        raise ValueError(f"{where}: {name} degrades no single image; choose another")
    for option in options.keys() - known:
        raise ValueError(
            f"{where}: {name} has no {option!r}: "
            f"{naming.nearest(option, known | {'probability'})}"
        )
    try:
        ranges.check(one, options)
        check(options.get("stages", ()))
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
    return one, options, probability


def _check_shape(before: tuple[int, ...], after: tuple[int, ...], where: str) -> None:
    if after != before:
        raise ValueError(
            f"{where} has a probability, but makes {after} of {before}; images of one "
            "batch must agree in shape: leave the probability out"
        )
