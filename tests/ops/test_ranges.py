"""Every numeric option has a range beside it, and values outside are told."""

import inspect
import typing
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import pytest

from jaxrestore import degradations, losses, naming
from jaxrestore.degradations import noise
from jaxrestore.ops import ranges

HOMES = [naming.module("degradations", kind) for kind in degradations.kinds()]
HOMES += naming.modules("models")
NAMES = ("degrade", "damage", "interpolated", "Generator", "Discriminator")
OWNERS = {
    f"{home.__name__.removeprefix('jaxrestore.')}.{name}": getattr(home, name)
    for home in HOMES
    for name in NAMES
    if hasattr(home, name)
}
OWNERS |= {
    f"losses.{name}": function
    for name, function in naming.public(losses).items()
    if inspect.isfunction(function)
}


def _numeric(option):
    """Whether an option takes numbers, by its default and its types."""
    values = option.default if isinstance(option.default, tuple) else (option.default,)
    by_default = any(type(value) in (int, float) for value in values)
    return by_default or bool(option.types & {int, float})


def test_the_walk_finds_what_there_is():
    assert {
        "degradations.noise.degrade",
        "losses.huber",
        "models.fcn.Generator",
    } <= set(OWNERS)
    assert "degradations.batched.degrade" not in OWNERS
    assert sum(name.startswith("models.") for name in OWNERS) >= 16
    assert {"kind", "level", "level_map"} <= set(ranges.options(noise.degrade))


@pytest.mark.parametrize("name", OWNERS)
def test_every_numeric_option_has_a_range_that_holds_its_default(name):
    found = ranges.options(OWNERS[name])
    without = [n for n, own in found.items() if _numeric(own) and own.range is None]
    assert not without
    ranges.check(OWNERS[name], {n: own.default for n, own in found.items()})
    whole = [own.range for own in found.values() if own.types == {int}]
    assert all(isinstance(own, ranges.Range) and own.whole for own in whole)


def test_an_option_without_a_range_is_seen():
    def loss(*, epsilon: float = 1.0, names: Sequence[str] = (), word: str = ""):
        del epsilon, names, word

    found = ranges.options(loss)
    assert [name for name, own in found.items() if _numeric(own)] == ["epsilon"]


def _takes(
    *,
    share: ranges.Share = 0.5,
    count: ranges.Count = 1,
    widths: ranges.Counts = (1,),
    above: ranges.Positive = 1.0,
    word: typing.Annotated[str | float, ranges.Range(0, 1)] = "a",
):
    del share, count, widths, above, word


@pytest.mark.parametrize(
    "options",
    [
        {"share": 0},
        {"share": 1.0},
        {"count": 10**9},
        {"widths": [8, 16]},
        {"widths": ()},
        {"above": 1e-9},
        {"word": "anything"},
        {"unknown": -1},
        {"share": jnp.asarray(2.0)},  # perhaps traced: it is not looked at
    ],
    ids=str,
)
def test_what_fits_is_let_through(options):
    ranges.check(_takes, options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"share": 1.5}, "share is 1.5, but .* takes 0 to 1"),
        ({"share": -0.1}, "share is -0.1"),
        ({"share": float("nan")}, "share is nan"),
        ({"share": "1/2"}, "share is '1/2'"),
        ({"share": (0, 1)}, "share is .0, 1."),
        ({"share": True}, "share is True"),
        ({"share": None}, "share is None"),
        ({"count": 0}, "count is 0, but .* takes whole numbers, 1 or more"),
        ({"count": 2.5}, "count is 2.5"),
        ({"count": 2.0}, "count is 2.0"),
        ({"widths": (8, 0)}, "widths is .8, 0."),
        ({"widths": 8}, "widths is 8"),
        ({"above": 0}, "above is 0, but .* takes above 0"),
        ({"word": 2}, "word is 2"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_told_with_value_and_range(options, message):
    with pytest.raises(ValueError, match=message):
        ranges.check(_takes, options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"level": 25},
            r"level of 'gaussian' is 25, but degradations/noise\.py .* 25/255",
        ),
        ({"level": (0, 25)}, "level of 'gaussian' is .0, 25."),
        ({"level": -1}, "is -1"),
        ({"kind": "poisson", "level": 25}, "level of 'poisson' .* 0 to 10"),
        ({"kind": {"gaussian": {"weight": 1, "level": 2}}}, "level of 'gaussian' is 2"),
        ({"kind": {"poisson": 1, "gaussian": 1}, "level": 2}, "level of 'gaussian'"),
        ({"grey": 1.5}, "grey is 1.5"),
    ],
    ids=str,
)
def test_a_level_of_noise_is_in_the_unit_of_its_kind(options, message):
    image = jnp.full((4, 4, 3), 0.5)
    with pytest.raises(ValueError, match=message):
        noise.degrade(jax.random.key(0), image, **options)


def test_a_level_beyond_one_is_a_factor_of_photons():
    ranges.check(noise.degrade, {"kind": "poisson", "level": (0.5, 2.0)})
    mixture = {"gaussian": 3, "poisson": {"weight": 1, "level": 2.0}}
    ranges.check(noise.degrade, {"kind": mixture})


@pytest.mark.parametrize("name", degradations.kinds())
def test_a_degradation_refuses_a_number_before_it_is_traced(name):
    degrade = naming.module("degradations", name).degrade
    for option, own in ranges.options(degrade).items():
        value = -1000 if own.types & {int, float} else (-1000, 1)
        if own.range is not None:
            with pytest.raises(ValueError, match=rf"^{option}.* is \(?-1000.*, but"):
                degrade(jax.random.key(0), jnp.zeros((8, 8, 3)), **{option: value})
