"""What a degradation, a loss, a metric and a protocol are, as types of functions.

Data come by position, under whatever names; options by keyword and with defaults, so
that each can be called as it stands here. `tests/test_contracts.py` holds every
function of the package against these.
"""

import inspect
from typing import Any, Protocol, runtime_checkable

from jaxtyping import Array, Float, PRNGKeyArray


@runtime_checkable
class Degrade(Protocol):
    """A degradation: `degrade` of a file in `degradations/`."""

    def __call__(
        self, key: PRNGKeyArray, image: Float[Array, "h w c"], /
    ) -> Float[Array, "hh ww cc"]:
        """Returns `image`, in [0, 1], damaged as `key` draws it."""
        ...


@runtime_checkable
class Damage(Protocol):
    """A degradation that knows where it lost pixels: `damage`, beside its `degrade`."""

    def __call__(
        self, key: PRNGKeyArray, image: Float[Array, "h w c"], /
    ) -> tuple[Float[Array, "hh ww cc"], Float[Array, "h w 1"]]:
        """Returns what `degrade` does, and a mask that is 1 where pixels were lost."""
        ...


@runtime_checkable
class Loss(Protocol):
    """A function of `losses`."""

    def __call__(
        self, restored: Float[Array, "b h w c"], target: Float[Array, "b h w c"], /
    ) -> Float[Array, " b"]:
        """Returns one number an image, 0 for the best."""
        ...


@runtime_checkable
class Metric(Protocol):
    """A function of `metrics`."""

    def __call__(
        self, a: Float[Array, "b h w c"], b: Float[Array, "b h w c"], /
    ) -> Float[Array, " b"]:
        """Returns one number an image, in the metric's own unit."""
        ...


@runtime_checkable
class Scoring(Protocol):
    """A function of `protocols`, which are not Python's: a named way to score.

    One that has an option `damage` scores lost pixels apart; see `scores`.
    """

    def __call__(
        self, images: Float[Array, "b h w c"], target: Float[Array, "b h w c"], /
    ) -> dict[str, Float[Array, " b"]]:
        """Returns one number an image for each metric, by its name."""
        ...


def check(contract: type, function: Any) -> None:
    """Raises `ValueError` where `function` cannot be called as `contract` says.

    It names the function and what it takes: a wrong number of things by position, an
    option that is not keyword-only, or one without a default.

    >>> contracts.check(contracts.Loss, losses.l1)
    """
    called = f"{function.__module__}.{function.__name__}"
    wanted = [*inspect.signature(contract.__call__).parameters][1:]
    values = inspect.signature(function).parameters.values()
    data = [p for p in values if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    needed = [p.name for p in data if p.default is p.empty]
    if len(needed) != len(wanted):
        raise ValueError(
            f"{called} takes ({', '.join(needed)}) by position; it must take "
            f"({', '.join(wanted)}), see docs/your_own.md"
        )
    if options := [p.name for p in data if p.default is not p.empty]:
        raise ValueError(
            f"{called} takes {options[0]} by position; options stand behind a star: "
            f"({', '.join(needed)}, *, {', '.join(options)})"
        )
    for option in values:
        if option.kind is option.KEYWORD_ONLY and option.default is option.empty:
            raise ValueError(
                f"the option {option.name} of {called} has no default; give it one"
            )


def takes_damage(scoring: Scoring) -> bool:
    """Returns whether a protocol wants to know where pixels were lost."""
    return "damage" in inspect.signature(scoring).parameters


def scores(
    scoring: Scoring,
    images: Float[Array, "b h w c"],
    target: Float[Array, "b h w c"],
    damage: Float[Array, "b h w 1"] | None,
) -> dict[str, Float[Array, " b"]]:
    """Returns what `scoring` finds; `damage`, 1 where lost, is for those that take it.

    >>> images = jnp.zeros((1, 16, 16, 1))
    >>> contracts.scores(protocols.gray8, images, images, None)["psnr"]
    Array([inf], dtype=float32)
    """
    if takes_damage(scoring):
        return scoring(images, target, damage=damage)  # pyright: ignore[reportCallIssue]
    return scoring(images, target)


@runtime_checkable
class Restore(Protocol):
    """What restores a batch: `Restorer.apply`, a generator with its variables."""

    def __call__(
        self, degraded: Float[Array, "b h w c"], /
    ) -> Float[Array, "b hh ww d"]:
        """Returns the restored images, `scale` times as large and not clipped."""
        ...


@runtime_checkable
class Fill(Protocol):
    """What fills the holes of a crop: a network, a classical method, a prior."""

    def __call__(
        self, colors: Float[Any, "b h w 3"], mask: Float[Any, "b h w 1"], /
    ) -> Float[Any, "b h w 3"] | None:
        """Returns colours in [0, 1] whose hole, where `mask` is 1, is filled.

        What comes back outside of the hole need not be what was given. None leaves the
        hole as it is.
        """
        ...
