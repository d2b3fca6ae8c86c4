"""Every degradation, loss, metric and protocol can be called as its contract says."""

import importlib
import inspect
import pkgutil

import jaxtyping
import pytest

from jaxrestore import contracts, degradations, losses, metrics, naming, protocols

PHENOMENA = {
    entry.name: importlib.import_module(f"{degradations.__name__}.{entry.name}")
    for entry in pkgutil.iter_modules(degradations.__path__)
    if entry.name != "batched"  # maps one over a batch
}
NO_METRICS = {"ms_ssim_scales", "ssim_components", "SsimComponents"}


def _held():
    """Every function that a contract holds, as (contract, function), by its name."""
    for name, home in PHENOMENA.items():
        yield f"{name}.degrade", (contracts.Degrade, home.degrade)
        if hasattr(home, "damage"):
            yield f"{name}.damage", (contracts.Damage, home.damage)
    for home, contract in (
        (losses, contracts.Loss),
        (metrics, contracts.Metric),
        (protocols, contracts.Scoring),
    ):
        for name, function in naming.public(home).items():
            if name not in NO_METRICS:
                yield f"{home.__name__}.{name}", (contract, function)


HELD = dict(_held())


def _rank(annotation):
    """An array type as its number of axes; tuples and dicts as their parts."""
    if isinstance(annotation, type) and issubclass(annotation, jaxtyping.AbstractArray):
        return annotation.dtype.__name__, len(annotation.dims)
    parts = getattr(annotation, "__args__", ())
    return getattr(annotation, "__origin__", annotation), [*map(_rank, parts)]


def _complaints(contract, function):
    ours = inspect.signature(contract.__call__)
    theirs = inspect.signature(function)
    wanted = len(ours.parameters) - 1  # less self
    values = list(theirs.parameters.values())
    data, options = values[:wanted], values[wanted:]
    if len(data) < wanted or any(p.kind is not p.POSITIONAL_OR_KEYWORD for p in data):
        yield f"takes {[p.name for p in data]} by position, not {wanted} things"
    for option in options:
        if option.kind is not option.KEYWORD_ONLY or option.default is option.empty:
            yield f"{option.name} is no option: by keyword and with a default"
    if _rank(theirs.return_annotation) != _rank(ours.return_annotation):
        yield f"returns {theirs.return_annotation}, not {ours.return_annotation}"


@pytest.mark.parametrize("name", sorted(HELD))
def test_a_function_keeps_its_contract(name):
    assert not list(_complaints(*HELD[name]))


def test_the_walk_finds_what_there_is():
    assert {
        "noise.degrade",
        "holes.damage",
        "jaxrestore.losses.l1",
        "jaxrestore.metrics.psnr",
        "jaxrestore.protocols.rgb8",
    } <= set(HELD)


Batch = contracts.Float[contracts.Array, "b h w c"]
Values = contracts.Float[contracts.Array, " b"]


def no_target(restored: Batch, *, target: Batch | None = None) -> Values: ...
def option_by_position(restored: Batch, target: Batch, rate: int = 1) -> Values: ...
def option_without_default(restored: Batch, target: Batch, *, rate: int) -> Values: ...
def an_image(restored: Batch, target: Batch) -> Batch: ...


@pytest.mark.parametrize(
    ("function", "complaint"),
    [
        (no_target, "by position"),
        (option_by_position, "rate is no option"),
        (option_without_default, "rate is no option"),
        (an_image, "returns"),
    ],
)
def test_a_function_that_breaks_its_contract_is_found(function, complaint):
    assert complaint in "\n".join(_complaints(contracts.Loss, function))
