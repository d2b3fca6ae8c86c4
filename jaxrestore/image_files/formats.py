"""The formats in which images are written, and what each can hold."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from jaxrestore import errors


class Format(NamedTuple):
    """A format by Pillow's name; the first suffix is that of new files.

    `profiles` are the modes whose ICC profile it keeps: WebP and AVIF hold grey as
    colour. `most` is the longest side, in px. `quality` is the one it has if none is
    given, None: it loses nothing; of one that is `lossless` no other can be given.
    """

    kind: str
    suffixes: tuple[str, ...]
    alpha: bool = True
    deep: bool = False
    profiles: tuple[str, ...] = ("L", "RGB")
    most: int = 2**31 - 1
    quality: int | None = None
    lossless: bool = False

    def loses(self, quality: int | None) -> bool:
        """Returns whether pixels change a little as they are written."""
        return not self.lossless and (quality or self.quality) is not None

    def options(self, quality: int | None) -> dict[str, Any]:
        """Returns what Pillow's writer takes, for a quality of 1 to 100 or its own."""
        if self.lossless:
            return {}
        if not self.loses(quality):
            # WebP. exact: keep the colours under alpha 0, which are dropped otherwise.
            return {"lossless": True, "exact": True}
        full = {"JPEG": {"subsampling": 0}, "AVIF": {"subsampling": "4:4:4"}}
        return {"quality": quality or self.quality, **full.get(self.kind, {})}


FORMATS = {
    "avif": Format("AVIF", (".avif",), profiles=("RGB",), most=65_536, quality=95),
    "bmp": Format("BMP", (".bmp",), alpha=False, profiles=(), lossless=True),
    "jpeg": Format("JPEG", (".jpg", ".jpeg"), alpha=False, most=65_500, quality=95),
    "png": Format("PNG", (".png",), deep=True, lossless=True),
    "tiff": Format("TIFF", (".tif", ".tiff"), deep=True, lossless=True),
    "webp": Format("WEBP", (".webp",), profiles=("RGB",), most=16_383),
}
SUFFIXES = tuple(sorted(s for one in FORMATS.values() for s in one.suffixes))


class Writing(NamedTuple):
    """How results are written.

    `format` is one of `FORMATS`, or a suffix of its files, `jpg`; None: what a file's
    suffix says, in folders PNG.
    `quality` is that of JPEG, AVIF and, which then loses something, WebP. `bits` are 8
    or 16 a value; None: 16 where the source has more than 8 and the format holds them.
    Without `metadata` EXIF, XMP and resolution are left out, and so is a profile, whose
    colours are brought to sRGB.
    """

    format: str | None = None
    quality: int | None = None
    bits: int | None = None
    metadata: bool = True

    @property
    def suffix(self) -> str:
        """That of results in folders; raises `ConfigError` for an unknown format."""
        wanted = f".{self.format or 'png'}"
        if wanted.lower() not in SUFFIXES:
            raise errors.ConfigError(
                f"`format` is {self.format!r}; there are {', '.join(FORMATS)}"
            )
        return of_suffix(wanted).suffixes[0]


def of_suffix(suffix: str, *, name: str = "image") -> Format:
    """Returns the format of a suffix; raises `UserError` where there is none.

    >>> of_suffix(".TIF").kind
    'TIFF'
    """
    for found in FORMATS.values():
        if suffix.lower() in found.suffixes:
            return found
    raise errors.UserError(
        f"{name}: there is no image format for the suffix {suffix!r}; "
        f"use one of {', '.join(SUFFIXES)}."
    )


def check(writing: Writing, suffix: str, *, name: str = "image") -> Format:
    """Returns the format in which a file of a suffix is written.

    Raises `ConfigError` for settings out of range or that do not go together, and
    `UserError` as `of_suffix`.
    """
    asked = writing.format and of_suffix(writing.suffix)
    if writing.quality is not None and not 1 <= writing.quality <= 100:
        raise errors.ConfigError(f"`quality` is {writing.quality}; it is 1 to 100")
    if writing.bits not in (None, 8, 16):
        raise errors.ConfigError(f"`bit_depth` is {writing.bits}; it is 8 or 16")
    found = of_suffix(suffix, name=name)
    if asked and asked != found:
        raise errors.ConfigError(
            f"{name} is called like a file of {found.kind}, and `format` is "
            f"{writing.format}; leave one to the other"
        )
    if writing.quality is not None and found.lossless:
        raise errors.ConfigError(
            f"`quality` is of JPEG, WebP and AVIF, and {found.kind} loses nothing; "
            "leave it out, or write one of these"
        )
    if writing.bits == 16 and not found.deep:
        raise errors.ConfigError(
            f"`bit_depth` 16 is of PNG and TIFF, and {found.kind} holds 8; leave it "
            "out, or write one of these"
        )
    return found


def refusal(found: Format, shape: Sequence[int]) -> str:
    """Returns why a format cannot hold an image [h, w, c], or nothing.

    >>> refusal(FORMATS["jpeg"], (8, 8, 4))
    'JPEG keeps no alpha; write .png or .webp'
    """
    height, width, channels = shape
    if channels in (2, 4) and not found.alpha:
        return f"{found.kind} keeps no alpha; write .png or .webp"
    if max(height, width) > found.most:
        return (
            f"{width}x{height} px are more than {found.kind} holds, {found.most:,} a "
            "side; write .png or .tif"
        )
    return ""
