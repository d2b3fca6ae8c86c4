"""Why a network cannot be restored with as somebody asks, whatever the picture."""

from collections.abc import Iterator, Sequence


def of_options(
    name: str,
    takes: Sequence[str],
    scale: int,
    *,
    level: float | int | None,
    strength: float | int | None,
    confine: bool,
    masked: bool,
    tile: int | None = None,
    least: int = 1,
) -> Iterator[str]:
    """Yields why options of `restorer.restore_image` cannot be meant, a sentence each.

    The network of this `name` and `scale` takes the words of `weights.inputs`.
    `confine`: whether it is given the cells of JPEG files; `masked`: whether a mask;
    `least`: the side of its smallest tiles.
    """
    if tile is not None and not (isinstance(tile, int) and tile >= least):
        yield (
            f"`tile` is {tile}; it must be a whole number of px, and {least} or more, "
            f"since tiles of {name} overlap"
        )
    if tile is not None and masked:
        yield "holes are filled by crops; leave `tile` out where a `mask` is given"
    if masked:
        yield from _of_masked(name, takes, scale, strength, confine)
    elif "mask" in takes:
        yield f"{name} must be told what is missing; give `mask`, which is white there"
    told = "level" in takes
    if told and level is None:
        yield (
            f"{name} must be told how noisy its input is; give `level`, the noise's "
            "standard deviation from 0 to 255, such as 25"
        )
    if not told and level is not None:
        yield f"{name} takes an image and no level of noise; leave `level` out"
    if level is not None and not 0 <= level <= 255:
        yield (
            f"`level` is {level}; it must be the standard deviation of the noise, "
            "from 0 to 255"
        )
    if strength is not None and scale > 1:
        yield (
            f"{name} enlarges {scale} times, so that there is no picture to mix its "
            "result with; leave `strength` out"
        )
    if confine and scale > 1:
        yield (
            f"{name} enlarges {scale} times, and a JPEG file says nothing of an "
            "enlarged picture; leave `confine` out"
        )
    if strength is not None and not 0 <= strength <= 1:
        yield (
            f"`strength` is {strength}; it must be the share of the change that is "
            "made, from 0 to 1"
        )


def _of_masked(name, takes, scale, strength, confine) -> Iterator[str]:
    """Why a mask is of no use, or an option is beside one."""
    if "mask" not in takes:
        yield (
            f"{name} takes an image and no mask; leave `mask` out, or take a network "
            "that was trained on holes"
        )
    if scale > 1:
        yield (
            f"{name} enlarges {scale} times, so that nothing that is known could stay "
            "as it is; leave `mask` out"
        )
    if strength is not None:
        yield (
            "in a hole there is nothing to mix the result with, and all else stays as "
            "it is; leave `strength` out where a `mask` is given"
        )
    if confine:
        yield (
            "a JPEG file says nothing of what is missing, and all else stays as it is; "
            "leave `confine` out where a `mask` is given"
        )
