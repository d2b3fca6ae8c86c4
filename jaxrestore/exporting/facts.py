"""What a file that restores says of itself: what it takes and gives, whose it is."""

from collections.abc import Mapping
from typing import Any

from jaxrestore import __version__, networks
from jaxrestore.weights import inputs

_MEANINGS = {
    "rgb": "red, green and blue of sRGB, 0 to 1",
    "gray": "grey, 0 to 1",
    "level": "the standard deviation of the noise divided by 255, at each pixel",
    "mask": "1 where pixels are missing, else 0",
}

_CONTINUED = {
    "reflect": "mirrored",
    "edge": "continued with their edge",
    "constant": "continued with zeros",
}


def of_card(card: Mapping[str, Any], layout: str) -> dict[str, Any]:
    """Returns what is written into or beside a file of the network of a card.

    `layout` names the axes of an array of images, with `{}` for the channels and
    `{height}` and `{width}` for the sides.
    """
    scale, takes = card["scale"], card["takes"]
    larger = {} if scale == 1 else {s: f"{scale} * {s}" for s in ("height", "width")}
    same = {"height": "height", "width": "width"}
    taken = layout.format(inputs.channels(takes), **same)
    given = layout.format(inputs.CHANNELS[takes[0]], **{**same, **larger})
    return {
        "jaxrestore": __version__,
        "task": card.get("task"),
        "generator": dict(card["generator"]),
        "input": f"float32 {taken}: {'; '.join(_MEANINGS[word] for word in takes)}",
        "output": f"float32 {given}: {_MEANINGS[takes[0]]}; not clipped",
        "sides": _sides(card),
        "takes": [*takes],
        "scale": scale,
        "smallest": card["smallest"],
        "reach": card["reach"],
        "license": card.get("license", "not stated"),
        "source": {k: v for k, v in card["source"].items() if k != "config"},
    }


def _sides(card):
    least, multiple = card["smallest"], card["multiple"]
    if multiple == 1:
        return f"any of {least} px or more"
    model = networks.build("Generator", card["generator"])
    how = _CONTINUED[networks.continues(model)]
    return f"any of {least} px or more, {how} inside to multiples of {multiple}"
