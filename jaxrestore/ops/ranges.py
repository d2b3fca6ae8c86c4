"""The numbers and words that an option takes: in its annotation, and nowhere else.

`level: Annotated[float, Range(0, 1)]` is a field of a network or an argument of a
degradation or a loss, and so is `order: Annotated[str, Words(("raster", "colour"))]`.
Arrays and what is traced are not looked at.
"""

import dataclasses
import functools
import inspect
import numbers
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import UnionType
from typing import Annotated, Any, NamedTuple


class Range(NamedTuple):
    """Numbers from `low` to `high`, both allowed; None is no bound.

    Of an `above` one `low` itself is not allowed; a `whole` one has whole numbers only.
    `meaning` says what they stand for.
    """

    low: float
    high: float | None = None
    meaning: str = ""
    whole: bool = False
    above: bool = False

    def words(self) -> str:
        """Returns the range as a message has it, such as `0 to 1`."""
        bounds = f"{'above ' * self.above}{self.low:g}"
        if self.high is not None:
            bounds += f" to {self.high:g}"
        elif not self.above:
            bounds += " or more"
        meaning = f" ({self.meaning})" if self.meaning else ""
        return f"{'whole numbers, ' * self.whole}{bounds}{meaning}"


class ByWord(NamedTuple):
    """The ranges of an option whose meaning depends on the word in another one.

    That `option` holds a word, or a table of words to draw from: `{word: weight}`, or
    `{word: {"weight": weight, option: a value of its own}}`.
    """

    option: str
    ranges: Mapping[str, Range]

    def words(self) -> str:
        """Returns the range of each word."""
        return "; ".join(f"{word}: {one.words()}" for word, one in self.ranges.items())


class Words(NamedTuple):
    """The words that an option takes, alone or as the keys of a table of weights."""

    known: tuple[str, ...]


class Option(NamedTuple):
    """An option: its default, its range if it has one, its types, its words if any."""

    default: Any
    range: Range | ByWord | None
    types: frozenset[Any]
    known: tuple[str, ...] = ()

    def words(self) -> str:
        """Returns all that it takes as a message has it; empty if that is free."""
        table, words = "{word: weight} of", ", ".join(self.known)
        parts = ["True, False"] if bool in self.types else []
        if self.known and str not in self.types:
            parts += [f"{table} {words}"]
        elif self.known:
            parts += [words] + [f"{table} these"] * (Mapping in self.types)
        if self.range:
            parts += [self.range.words()]
        return ", or ".join(parts)


Count = Annotated[int, Range(1, whole=True)]
CountOrNone = Annotated[int, Range(0, whole=True)]
Counts = Annotated[Sequence[int], Range(1, whole=True)]
CountsOrNone = Annotated[Sequence[int], Range(0, whole=True)]
Share = Annotated[float | int, Range(0, 1)]
NotNegative = Annotated[float | int, Range(0)]
Positive = Annotated[float | int, Range(0, above=True)]


def of(annotation: Any) -> Range:
    """Returns the range that stands in an annotation."""
    return typing.get_args(annotation)[-1]


@functools.cache
def options(owner: Callable[..., Any]) -> dict[str, Option]:
    """Returns the options of a function, or of a network's class, by name."""
    if dataclasses.is_dataclass(owner):
        fields = {f.name: (f.type, f.default) for f in dataclasses.fields(owner)}
        ours = fields.keys() - {"parent", "name", "dtype"}
        return {name: _option(*fields[name]) for name in fields if name in ours}
    parameters = inspect.signature(owner).parameters.values()
    keywords = [p for p in parameters if p.kind is p.KEYWORD_ONLY]
    return {p.name: _option(p.annotation, p.default) for p in keywords}


def _option(annotation, default):
    marks = getattr(annotation, "__metadata__", ())
    found = next((x for x in marks if isinstance(x, Range | ByWord)), None)
    known = next((x.known for x in marks if isinstance(x, Words)), ())
    return Option(default, found, frozenset(_types(annotation)), known)


def _types(annotation):
    """The types of an annotation; of sequences and mappings these themselves."""
    origin = typing.get_origin(annotation)
    if origin is Annotated:
        return _types(typing.get_args(annotation)[0])
    if origin in (typing.Union, UnionType):
        return {x for part in typing.get_args(annotation) for x in _types(part)}
    return {origin or annotation}


def check(owner: Callable[..., Any], given: Mapping[str, Any]) -> None:
    """Raises `ValueError` for the first number or word that `owner` does not take.

    `given` has values by the name of the option; other names are not looked at. The
    message names the option, its value, what it takes and the file of `owner`.
    """
    known = options(owner)
    for name, option in known.items():
        if name in given and not _has_words(given[name], option):
            raise ValueError(
                f"{name} is {given[name]!r}, but {_place(owner)} takes {option.words()}"
            )
    for name, option in known.items():
        for label, value, own in _cases(name, given, known):
            if not _fits(value, own, option.types):
                takes = option.words() if own is option.range else own.words()
                raise ValueError(
                    f"{label} is {value!r}, but {_place(owner)} takes {takes}"
                )


def holds(known: Range, value: Any) -> bool:
    """Returns whether a value is a number of that range."""
    return _fits(value, known, frozenset())


def _has_words(value: Any, option: Option) -> bool:
    if not option.known:
        return True
    if isinstance(value, Mapping):
        return Mapping in option.types and {*value} <= {*option.known}
    if isinstance(value, str):
        return str in option.types and value in option.known
    return option.range is not None  # which looks at numbers


def _cases(
    name: str, given: Mapping[str, Any], known: Mapping[str, Option]
) -> Iterator[tuple[str, Any, Range]]:
    """Yields what the option is called, its value and the range for that."""
    option = known[name]
    if isinstance(option.range, Range):
        if name in given:
            yield name, given[name], option.range
    elif isinstance(option.range, ByWord):
        other = option.range.option
        table = given.get(other, known[other].default)
        for word, entry in ({table: 1} if isinstance(table, str) else table).items():
            own = entry if isinstance(entry, Mapping) else {}
            value = own.get(name, given.get(name, option.default))
            if word in option.range.ranges:
                yield f"{name} of {word!r}", value, option.range.ranges[word]


def _fits(value: Any, known: Range, types: frozenset[Any]) -> bool:
    if hasattr(value, "shape"):
        return True
    if isinstance(value, str | bool):
        return type(value) in types  # whoever takes words tells which
    if isinstance(value, Sequence):
        inside = types & {float}  # numbers, whatever else the option takes
        return Sequence in types and all(_fits(x, known, inside) for x in value)
    if not isinstance(value, numbers.Real) or types == {Sequence}:
        return False
    # Draws take 2.0 for 2; a number of layers does not.
    whole = value % 1 == 0 if float in types else isinstance(value, numbers.Integral)
    if known.whole and not whole:
        return False
    number = float(value)
    enough = number > known.low if known.above else number >= known.low
    return enough and (known.high is None or number <= known.high)


def _place(owner):
    *_, home = owner.__module__.partition("jaxrestore.")
    file = f"{home.replace('.', '/')}.py"
    in_file = owner.__name__ in ("degrade", "damage", "Generator", "Discriminator")
    return file if in_file else f"{owner.__name__} of {file}"
