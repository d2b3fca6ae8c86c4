"""A trained network as a function from images to images.

Of a file of weights here; what reads a run's folder is `of_runs`, so that restoring
with what ships loads no library of checkpoints.
"""

import dataclasses
import functools
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Bool, Shaped, UInt8

from jaxrestore import contracts, errors, images, networks
from jaxrestore.inference import caution as cautions
from jaxrestore.inference import jpeg_cells, refusals, running, tiles
from jaxrestore.ops import checks, hidden_colors, levels
from jaxrestore.weights import cards, conversion, inputs, weight_files


@dataclasses.dataclass(frozen=True)
class Restorer:
    """`apply` maps degraded images [b, h, w, c] in [0, 1] to restored [b, H, W, d].

    Any side of `smallest` px or more is taken; the result is `scale` times as large. It
    is not clipped. `takes` says what the c channels are, a word of
    `weights.inputs.CHANNELS` a group, its colours first, which are those of the result.
    A pixel sees `reach` px of the input to each side, None: all of it, or not known.
    With `caution` a clean picture is left as it is. `continues` is as of `networks`,
    `sha256` that of the weights, where their card has it.
    """

    apply: contracts.Restore
    scale: int
    multiple: int
    name: str
    takes: tuple[str, ...] = ("rgb",)
    reach: int | None = None
    smallest: int = 1
    caution: cautions.Caution | None = None
    continues: str = "reflect"
    sha256: str | None = None

    @property
    def channels(self) -> int:
        """How many colours the result has, d: 1 or 3."""
        return inputs.CHANNELS[self.takes[0]]

    @staticmethod
    def load(what: Path | str) -> "Restorer":
        """Returns the network of a task, a file of weights, or a run: `library.load`.

        >>> Restorer.load("denoise").takes
        ('rgb',)
        """
        from jaxrestore.inference import library

        return library.load(what)


def load_weights(path: Path) -> Restorer:
    """Returns the network of a file of weights: ours, or published ones as they are.

    What no tensor of published ones tells is as by default; `jaxrestore convert` writes
    it into a card. Raises `ConfigError` as `of_card`, and as `cards.of_file`; of those
    with a card as `conversion.load`, so `MismatchError` for another card's file.
    """
    ours = path.suffix == ".safetensors" and weight_files.card_path(path).exists()
    found = conversion.load(path) if ours else cards.of_file(path)
    return of_card(*found, name=str(path))


def of_card(
    card: Mapping[str, Any], variables: Any, *, name: str, precision: str = "float32"
) -> Restorer:
    """Returns the restorer of a card's network with these variables.

    Its arithmetic is in `precision`. Raises `ConfigError`, which calls the network
    `name`, for one of which it is not known what it takes, or that takes something else
    than it gives.
    """
    if not card["takes"]:
        gives = inputs.CHANNELS[card["colors"]]
        raise errors.ConfigError(
            f"{name} takes {card['inputs']} channels and gives {gives}; pictures are "
            "restored by networks that take what they give, or a level of noise beside"
        )
    recipe = json.dumps(card["generator"], sort_keys=True)
    model, apply = _built(recipe, card["statistics"], precision)
    variables = jax.device_put(variables)
    return Restorer(
        lambda degraded: apply(variables, degraded),
        card["scale"],
        card["multiple"],
        card["generator"]["name"],
        tuple(card["takes"]),
        card["reach"],
        card["smallest"],
        cautions.of_card(card),
        networks.continues(model),
        card.get("sha256"),
    )


@functools.lru_cache(maxsize=16)  # equal networks of other weights share programs
def _built(recipe, statistics, precision):
    model = networks.build("Generator", json.loads(recipe), precision)
    return model, networks.restore_function(model, statistics)


def restore_image(
    restorer: Restorer,
    image: levels.Image,
    *,
    level: float | int | None = None,
    strength: float | int | None = None,
    cells: Sequence[jpeg_cells.Component] = (),
    tile: int | None = None,
    ensemble: bool = False,
    mask: Bool[np.ndarray, "_ _"] | UInt8[np.ndarray, "_ _"] | None = None,
    progress: Callable[[float], object] = lambda share: None,
) -> Shaped[np.ndarray, "hh ww c"]:
    """Returns the restored image, `scale` times as large, with as many channels.

    Its values are of the type of `image`, 8 bits, 16 bits, or floats in [0, 1], all of
    which are computed with. Channels are grey (1), grey and alpha (2), colour (3), or
    colour and alpha (4). A network of one channel restores a grey image (one channel,
    or equal ones) as grey, and of a colour picture the luma alone: Y, Cb and Cr are
    those of JPEG (BT.601, full range), the chroma is kept, or enlarged as alpha is. A
    network of colours takes grey as three equal channels, and of what it gives the luma
    is kept, so that grey stays grey without a cast; one that is to colour takes a
    colour file of equal channels.

    Alpha is kept as it is; where the network enlarges, so is alpha, by bicubic
    interpolation. Colours under alpha 0 are not looked at: before, each becomes the
    nearest colour that is seen (black where none is), so that they do not leak into
    what is seen, and what stands under alpha 0 of the result is restored from these.

    `level` is the standard deviation of the noise, 0 to 255, for a network that is told
    it. `strength`, 0 to 1, is how much of the network's change is made. Without it all
    is, less what the network's `caution` does not believe. `cells` are the components
    of the JPEG file that the image was read from: the result is then within what they
    say of the original: see `jpeg_cells`.

    Images are restored in tiles, mirrored where they are smaller than one, so that
    memory is bounded, and few programs serve all sizes: see `tiles.for_network`. Each
    pixel is taken from one that continues `tiles.overlap` px beyond it: to a network
    that sees no further the result is that of the whole image; one that uses statistics
    of the whole sees the tile's. Where memory is exhausted smaller tiles are tried.
    With `tile` they have that many px a side, and no other is tried. With `ensemble`
    the result is the mean of eight, of the image turned and mirrored: eight times the
    work (`python -m benchmarks.self_ensemble` says for what).

    With a `mask`, of what is missing, for a network that takes one, holes alone are
    filled and all else stays as it is, to the bit: see `inpainting.fill_holes`, whose
    crops take the place of tiles.

    `progress` is called after each tile, with the share of them that is done; what it
    raises ends the work.

    Raises `ConfigError` for an image of another type or shape, or floats that are not
    finite or far outside [0, 1], for a mask or a level that is missing or of no use,
    for a level or a strength outside its range, for a strength or cells with a mask or
    with a network that enlarges, and for cells with more than 8 bits; `ImageError` for
    an image too small for the network, for colours with a hole and a network of grey,
    and as `masks.hole`; and `TrainingError` when the network's output is not finite.
    """
    check_options(
        restorer,
        level=level,
        strength=strength,
        confine=bool(cells),
        masked=mask is not None,
        tile=tile,
    )
    checks.any_picture(image)
    _check_input(restorer, image)
    if mask is not None:
        # Imported here, and SciPy with it: most pictures have no holes.
        from jaxrestore.inference import inpainting

        fill = filling(restorer, level=level, ensemble=ensemble)
        return inpainting.fill_holes(fill, image, mask, progress=progress)
    image = hidden_colors.replaced(image)
    joined = running.tiled(
        restorer,
        image,
        level=level,
        tile=tile,
        ensemble=ensemble,
        progress=progress,
    )
    if restorer.scale > 1:
        return joined
    if cells:
        joined = _confined(image, joined, cells)
    count = image.shape[2] - hidden_colors.has_alpha(image)
    before, after = image[..., :count], joined[..., :count]
    if strength is not None:
        _blended(before, after, strength)
    elif restorer.caution:
        cautions.believed(restorer.caution, before, after)
    joined[..., count:] = image[..., count:]
    return joined


def _blended(before, after, strength):
    """Leaves so much of the change, in place, in bands of rows: memory stays small."""
    for rows in levels.bands(before.shape):
        change = after[rows].astype(np.float32) - before[rows]
        changed = before[rows] + np.float32(strength) * change
        after[rows] = levels.rounded(changed, before.dtype)


def check_options(
    restorer: Restorer,
    *,
    level: float | int | None,
    strength: float | int | None,
    confine: bool,
    masked: bool,
    tile: int | None = None,
) -> None:
    """Raises `ConfigError` as `restore_image` does, of whatever image.

    `confine`: whether it is given the cells of JPEG files; `masked`: whether a mask.
    """
    for why in refusals.of_options(
        restorer.name,
        restorer.takes,
        restorer.scale,
        level=level,
        strength=strength,
        confine=confine,
        masked=masked,
        tile=tile,
        least=tiles.smallest(restorer.reach, restorer.multiple),
    ):
        raise errors.ConfigError(why)


def filling(
    restorer: Restorer, *, level: float | int | None = None, ensemble: bool = False
) -> contracts.Fill:
    """Returns what `inpainting.fill_holes` takes, of a network that takes a mask.

    A network of grey raises `ImageError` for a crop of colours, of which it cannot
    restore what is missing.
    """

    options = {"level": level, "ensemble": ensemble}
    run = functools.partial(running.applied, restorer, **options)

    def fill(colors, mask):
        if restorer.channels == 3:
            return run(colors, mask=mask)
        if (colors != colors[..., :1]).any():
            raise images.ImageError(
                f"it has colours, and {restorer.name} fills holes with grey; take a "
                "network of colours, or a grey picture"
            )
        restored = run(colors[..., :1], mask=mask)
        return np.repeat(restored, 3, -1)

    return fill


def _check_input(restorer: Restorer, image: Any) -> None:
    height, width = image.shape[:2]
    if min(height, width) < restorer.smallest:
        raise images.ImageError(
            f"it is {width}x{height} px, but {restorer.name} takes sides of "
            f"{restorer.smallest} px or more; take a larger image"
        )


def _confined(image: Any, restored: Any, cells: Sequence[jpeg_cells.Component]) -> Any:
    """The restored image within what its JPEG file says, if the file has its planes."""
    if len(cells) != image.shape[2]:
        return restored
    step = levels.white(image.dtype) // 255
    if not step or (step > 1 and (image % step).any()):
        raise errors.ConfigError(
            f"an image is {image.dtype}, but what a JPEG file says is of 8 bits; give "
            "what was read from it as it is, or 257 times that in 16 bits"
        )
    made, decoded = restored, image
    if step > 1:
        made, decoded = restored / np.float32(step), image // step
    for rows, confined in jpeg_cells.confined_bands(made, decoded, cells):
        changed = confined.clip(0, 255) * step
        restored[rows] = levels.rounded(changed, image.dtype)
    return restored
