"""What Pillow reads brought to upright 8-bit sRGB, as the file's header has it.

Nothing is guessed: what cannot be brought there faithfully is refused with an
`errors.ImageError`. Of 16-bit colour Pillow hands over the upper 8 bits.
"""

import functools
import io
import warnings

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageCms, ImageOps

from jaxrestore import errors
from jaxrestore.image_headers import Header


def upright(image: Image.Image, header: Header, name: str) -> Image.Image:
    """Returns a loaded image in mode RGB, or RGBA if it has alpha.

    Raises `ImageError` where the values are not faithfully colours of sRGB. Gives an
    `errors.Notice`, once for each `name`, of a profile that had to be left out, and of
    16-bit values that are all so low that the image comes out nearly black.
    """
    # Read first: turning to other modes loses the profile.
    profile = image.info.get("icc_profile")
    image = ImageOps.exif_transpose(image)
    if header.bits == 16 and not header.white_is_zero:
        _notice_darkness(image, name)
    image, alpha = _apart(image, header)
    image = _to_srgb(image, profile, header, name)
    if alpha:
        image.putalpha(alpha)
    return image


def _apart(
    image: Image.Image, header: Header
) -> tuple[Image.Image, Image.Image | None]:
    """Returns 8 bits in mode L, RGB or CMYK, and the alpha where there is some."""
    if image.mode.startswith(("I", "F")):
        values, alpha = np.asarray(image), None
        if header.key is not None:
            seen = (values != header.key).astype(np.uint8)
            alpha = Image.fromarray(seen * 255)
        return Image.fromarray(_eight_bit(values, header)), alpha
    if header.key is not None:
        # Pillow scales the values of few bits to 8, but not the transparent one.
        image.info["transparency"] = header.key * (255 // (2**header.bits - 1))
    if image.mode == "La":
        image = image.convert("LA")
    alpha = None
    if image.has_transparency_data:
        alpha = image.convert("RGBA").getchannel("A")
    if image.mode in ("1", "L", "LA"):
        image = image.convert("L")
    elif image.mode != "CMYK":
        # By way of RGBA, since a palette with alpha warns on its way to RGB.
        image = image.convert("RGBA" if alpha else "RGB").convert("RGB")
    return image, alpha


def _eight_bit(values: np.ndarray, header: Header) -> UInt8[np.ndarray, "h w"]:
    """Returns grey values scaled to 8 bit: integers from `bits`, floats from [0, 1]."""
    top = 1.0 if values.dtype.kind == "f" else 2.0**header.bits - 1
    low, high = values.min(), values.max()
    if not (low >= 0 and high <= top):  # so written, it refuses NaN too
        raise errors.ImageError(
            f"its values run from {low:g} to {high:g}, expected 0 to {top:g}; "
            "scale them, or save it with 8 or 16 bits"
        )
    scaled = np.rint(values * (255.0 / top)).astype(np.uint8)
    return 255 - scaled if header.white_is_zero else scaled


def _to_srgb(
    image: Image.Image, profile: bytes | None, header: Header, name: str
) -> Image.Image:
    """Returns RGB; of a profile that does not fit it gives notice, and does without."""
    converted = _by_profile(image, profile) if profile else None
    if converted is not None:
        return converted
    if image.mode == "CMYK":
        raise errors.ImageError(
            "it is CMYK, and no colour profile that can be used says what its inks "
            "look like; convert it to RGB where it comes from"
        )
    if profile:
        _give_notice(
            f"{name}: its ICC profile is broken or of another colour model and was "
            "left out, so its colours may be off; convert it to sRGB to be sure."
        )
    if header.gamma:
        image = image.point(_curve(header.gamma) * len(image.getbands()))
    return image.convert("RGB")


def _by_profile(image: Image.Image, profile: bytes) -> Image.Image | None:
    try:
        return ImageCms.profileToProfile(
            image,
            ImageCms.ImageCmsProfile(io.BytesIO(profile)),
            ImageCms.createProfile("sRGB"),
            outputMode="RGB",
        )
    except (ImageCms.PyCMSError, OSError):
        return None


def _curve(gamma: float) -> list[int]:
    """Returns for each 8-bit value that is light to the power of `gamma` sRGB's."""
    light = (np.arange(256) / 255) ** (1 / gamma)
    low, high = 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055
    return np.rint(255 * np.where(light <= 0.0031308, low, high)).astype(int).tolist()


def _notice_darkness(image: Image.Image, name: str) -> None:
    """Tells of 10 or 12 bits in 16, which no file says: white would be 4 or 16 of 255.

    A photograph of the night that is told too loses nothing. White of 14 bits, 64 of
    255, is told where the brightest value is exactly that: clipped light.
    """
    if image.mode.startswith("I"):
        top = int(np.asarray(image).max())
    elif image.mode in ("RGB", "RGBA"):
        # The upper 8 bits, of which the greatest value has these or less behind it.
        top = 256 * int(np.asarray(image)[..., :3].max()) + 255
    else:
        return
    if top < 4096 or top == 16383:
        _give_notice(
            f"{name}: its 16-bit values do not pass {top} of 65535, so it is read as a "
            "dark image; if its white has fewer bits, such as the 12 of a camera, "
            "multiply its values so that white is 65535."
        )


# Once a file: training reads each again and again, and any change of the filters of
# `warnings` makes Python repeat what it has shown.
@functools.lru_cache(maxsize=1_000_000)
def _give_notice(sentence: str) -> None:
    warnings.warn(sentence, errors.Notice, stacklevel=2)
