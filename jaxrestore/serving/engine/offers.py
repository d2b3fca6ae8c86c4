"""What can be done to a picture here, by which methods, and why not by others."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from jaxrestore import errors
from jaxrestore.inference import shipped
from jaxrestore.ops import ranges
from jaxrestore.serving import settings, values
from jaxrestore.weights import weight_files

SCALES = (2, 3, 4)

# Every option there is, as JSON Schema has it; `x-cells`: for `Image.cells` alone.
OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "strength": {
        "type": "number",
        "minimum": 0,
        "maximum": 1,
        "title": "Strength",
        "description": "How much is changed; automatic: as much as looks damaged.",
    },
    "ensemble": {
        "type": "boolean",
        "default": False,
        "title": "Best of eight views",
        "description": "Eight times the work, and a little better.",
    },
    "confine": {
        "type": "boolean",
        "default": False,
        "title": "Keep to the JPEG file",
        "description": "What the file says for certain of its original is kept; files "
        "of other kinds say nothing.",
        "x-cells": True,
    },
    "level": {
        "type": "number",
        "minimum": 0,
        "maximum": 255,
        "default": 25,
        "title": "Noise",
        "description": "Its standard deviation, of 255.",
    },
    "scale": {
        "type": "integer",
        "enum": [*SCALES],
        "default": SCALES[0],
        "title": "Times as large",
        "description": "How many times as long the sides become.",
    },
    "block": {
        "type": "integer",
        "minimum": 2,
        "maximum": 16,
        "default": 8,
        "title": "Block",
        "description": "The side of a block, in pixels.",
    },
    "blur": {
        "type": "number",
        "minimum": 0.5,
        "maximum": 8,
        "default": 2,
        "title": "Blur",
        "description": "The standard deviation of the blur, in pixels.",
    },
    "iterations": {
        "type": "integer",
        "minimum": 1,
        "maximum": 10000,
        "title": "Steps of the fit",
        "description": "At most so many; left empty, it ends by itself.",
    },
}

CONFINED = "jpeg"  # the task whose `confine` is on if nothing is said, as in `restore`


class Offer(NamedTuple):
    """A task: what it is called, what it is good for, and its options by method.

    `why_not` says why a method is missing; a network's is added by `offered`.
    """

    label: str
    help: str
    options: Mapping[str, tuple[str, ...]]
    why_not: Mapping[str, str] = {}
    needs_mask: bool = False
    scales: tuple[int, ...] = (1,)


_NETWORK = ("strength", "ensemble", "confine")
_FIT = ("iterations",)
_NO_FIT = "A fit knows of noise alone; choose Remove noise for it."
_NO_WEIGHTS = (
    "No weights for it ship with jaxrestore. Whoever runs this server can give some: "
    "{name}.safetensors, with its card, in the folder of `--models`."
)
_BROKEN = (
    "Its weights cannot be used; whoever runs this server finds the reason in its log."
)
_OFFERS = {
    "photo": Offer(
        "Clean a photograph",
        "Noise, grain and JPEG artefacts of any strength; it finds out which.",
        {"network": _NETWORK, "classical": ("strength",)},
        {"prior": _NO_FIT},
    ),
    "denoise": Offer(
        "Remove noise",
        "Noise that is alike everywhere, weak or strong; edges and texture stay.",
        {"network": _NETWORK, "prior": _FIT, "classical": ("strength",)},
    ),
    "jpeg": Offer(
        "Remove JPEG artefacts",
        "Blocks and ringing of strong compression.",
        {"network": _NETWORK, "prior": _FIT},
        {"classical": "No classical method here makes such pictures better."},
    ),
    "inpaint": Offer(
        "Fill holes",
        "What you paint over is filled from what is around it.",
        {"network": ("ensemble",), "prior": _FIT, "classical": ()},
        needs_mask=True,
    ),
    "pixel_shuffle": Offer(
        "Put pixels back",
        "Pixels that have changed places with their neighbours, as in frosted glass.",
        {"network": _NETWORK, "classical": ("strength",)},
        {"prior": "A fit does not know of pixels that have moved."},
    ),
    values.ENLARGE: Offer(
        "Enlarge",
        "Two to four times as many pixels a side; fine detail is guessed.",
        {
            "network": ("scale", "ensemble"),
            "prior": ("scale", *_FIT),
            "classical": ("scale",),
        },
        scales=SCALES,
    ),
    "deblur": Offer(
        "Sharpen a blurred picture",
        "An even, round blur; a fit is told how wide it is.",
        {"prior": ("blur", *_FIT), "classical": ("strength",)},
    ),
    "pixelate": Offer(
        "Undo pixelation",
        "Square blocks that begin at the upper left, of a size that you know.",
        {"prior": ("block", *_FIT), "classical": ("block", "strength")},
    ),
}


def files(models: Path | None) -> dict[str, Path]:
    """Returns the file of weights of each network, by its name.

    Those of the folder `models` come before those that ship; the name of a file is that
    of its network, of which `values.task_of` tells the task. Raises as
    `settings.own_weights`.
    """
    found = {name: shipped.path(name) for name in shipped.names()}
    if models is not None:
        found |= settings.own_weights(models)
    return found


def offered(
    weights: Mapping[str, Path], broken: Collection[str] = ()
) -> tuple[values.TaskInfo, ...]:
    """Returns all tasks, with the networks that are in `weights`, but not `broken`.

    Raises as `weight_files.read_card`.
    """
    cards: dict[str, dict[str, Any]] = {name: {} for name in _OFFERS}
    for name, file in sorted(weights.items()):
        of_task = cards.setdefault(values.task_of(name), {})
        if name not in broken:
            of_task[name] = weight_files.read_card(file)
    lacking = {values.task_of(name): _BROKEN for name in broken}
    return tuple(
        _info(name, of_task, lacking.get(name, _NO_WEIGHTS))
        for name, of_task in cards.items()
    )


def checked(name: str, value: Any) -> Any:
    """Returns the value of an option, or the default of one that is None.

    Raises `ConfigError` for one that is outside its range.

    >>> checked("block", None), checked("scale", 2)
    (8, 2)
    """
    known = OPTIONS[name]
    if value is None:
        return known["default"]
    low, high = known.get("minimum", 2), known.get("maximum", 16)
    whole = known["type"] == "integer"
    if not ranges.holds(ranges.Range(low, high, whole=whole), value):
        raise errors.ConfigError(
            f"`{name}` is {value!r}; it must be a {'whole ' * whole}number from {low} "
            f"to {high}"
        )
    return value


def _info(name, cards, lacking):
    offer = _OFFERS.get(name) or _own(name, cards)
    options = dict(offer.options)
    why_not = dict(offer.why_not)
    scales = offer.scales
    if cards:
        options = {"network": _of_card(next(iter(cards.values()))), **options}
        if name != values.ENLARGE:
            of_cards = (card["scale"] for card in cards.values())
            scales = tuple(dict.fromkeys((*of_cards, *scales)))
    else:
        file = f"{values.ENLARGE}_x{SCALES[0]}" if name == values.ENLARGE else name
        why_not["network"] = lacking.format(name=file)
        options.pop("network", None)
    asked = {
        one: _schema(name, one, options) for names in options.values() for one in names
    }
    return values.TaskInfo(
        name=name,
        label=offer.label,
        help=offer.help,
        methods=tuple(options),
        why_not=why_not,
        options={
            "type": "object",
            "properties": asked,
            "additionalProperties": False,
        },
        scales=scales,
        needs_mask=offer.needs_mask
        or any("mask" in card["takes"] for card in cards.values()),
        networks=tuple(
            values.Network(
                name,
                card["generator"]["name"],
                card["license"] or "",
                card["sha256"],
                card["scale"],
            )
            for name, card in cards.items()
        ),
    )


def _schema(task, option, options):
    """The schema of a task's option, with the methods that take it."""
    methods = [method for method, names in options.items() if option in names]
    default = {"default": True} if option == "confine" and task == CONFINED else {}
    return {**OPTIONS[option], **default, "x-methods": methods}


def _of_card(card):
    """The options of a network, of a task that has none for them."""
    plain = card["scale"] == 1 and "mask" not in card["takes"]
    level = ("level",) if "level" in card["takes"] else ()
    return (*(_NETWORK if plain else ("ensemble",)), *level)


def _own(name, cards):
    """A task that only somebody's own weights do."""
    words = name.replace("_", " ").replace("-", " ")
    what = ""
    for card in cards.values():
        source = card["source"].get("run") or card["source"].get("file") or name
        what = f": {card['generator']['name']} {source}"
    return Offer(
        words[:1].upper() + words[1:],
        f"A network of whoever runs this server{what}.",
        {},
        {
            "prior": "Only the network does this.",
            "classical": "Only the network does this.",
        },
    )
