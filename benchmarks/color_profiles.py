"""Pictures in a profile's colours, restored in their own values or by way of sRGB.

    python -m benchmarks.color_profiles [--small]

Four photographs of 256 px, brought from sRGB to the colours of a profile, with noise of
sigma 25 in its values. `own` gives the network these values as they are, `converted`
those of sRGB in 8 bits, and brings what it makes of them back. PSNR in dB, once of the
profile's values and once of the same colours in sRGB. All of the change is made.
Nothing is timed.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from benchmarks import harness
from jaxrestore.data import samples
from jaxrestore.inference import restorer, shipped

COLUMNS = ["network", "profile", "noisy", "own", "converted"]
COLUMNS += ["own in sRGB", "converted in sRGB"]
SIGMA = 25


class Colors(NamedTuple):
    """The primaries of a profile, x and y, and its values to light and back."""

    primaries: Sequence[tuple[float, float]]
    light: Callable[[Any], Any]
    values: Callable[[Any], Any]


def _srgb_light(values):
    bent = ((values + 0.055) / 1.055) ** 2.4
    return np.where(values <= 0.04045, values / 12.92, bent)


def _srgb_values(light):
    bent = 1.055 * np.maximum(light, 1e-9) ** (1 / 2.4) - 0.055
    return np.where(light <= 0.0031308, 12.92 * light, bent)


def _power(gamma):
    return lambda values: values**gamma, lambda light: light ** (1 / gamma)


SRGB = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
# All under D65, that of ProPhoto RGB too: it is the colours that count here.
PROFILES = {
    "sRGB": Colors(SRGB, _srgb_light, _srgb_values),
    "Display P3": Colors(
        ((0.68, 0.32), (0.265, 0.69), (0.15, 0.06)), _srgb_light, _srgb_values
    ),
    "Adobe RGB": Colors(((0.64, 0.33), (0.21, 0.71), (0.15, 0.06)), *_power(2.2)),
    "ProPhoto RGB": Colors(
        ((0.7347, 0.2653), (0.1596, 0.8404), (0.0366, 0.0001)), *_power(1.8)
    ),
    "light": Colors(SRGB, *_power(1)),
}


def _matrix(primaries):
    """Light of the primaries as XYZ, columns; together they are D65's white."""
    x, y = np.array(primaries).T
    columns = np.stack([x / y, np.ones(3), (1 - x - y) / y])
    white = np.array([0.3127 / 0.3290, 1, (1 - 0.3127 - 0.3290) / 0.3290])
    return columns * np.linalg.solve(columns, white)


def _between(a: Colors, b: Colors) -> Callable[[Any], Any]:
    """Returns what maps values in [0, 1] of a profile to those of another, clipped."""
    matrix = np.linalg.solve(_matrix(b.primaries), _matrix(a.primaries))
    return lambda v: b.values(np.clip(a.light(v) @ matrix.T, 0, 1))


def _scores(network: restorer.Restorer, name: str, pictures: Any) -> dict[str, str]:
    colors, srgb = PROFILES[name], PROFILES["sRGB"]
    there, back = _between(srgb, colors), _between(colors, srgb)
    generator, found = np.random.default_rng(0), []
    restored = lambda x: restorer.restore_image(network, x, strength=1) / 255
    for picture in pictures:
        clean = there(picture / 255)
        noise = generator.normal(0, SIGMA / 255, clean.shape)
        noisy = _eight_bit(clean + noise)
        own = restored(noisy)
        converted = restored(_eight_bit(back(noisy / 255)))
        pairs = [(noisy / 255, clean), (own, clean), (there(converted), clean)]
        pairs += [(back(own), back(clean)), (converted, back(clean))]
        found.append([-10 * np.log10(np.mean((a - b) ** 2)) for a, b in pairs])
    means = np.mean(found, 0)
    return {c: f"{mean:.2f}" for c, mean in zip(COLUMNS[2:], means, strict=True)}


def _centre(image, side):
    top, left = ((whole - side) // 2 for whole in image.shape[:2])
    return image[top : top + side, left : left + side]


def _eight_bit(values):
    return np.rint(255 * np.clip(values, 0, 1)).astype(np.uint8)


def main(argv: Sequence[str] | None = None):
    """Prints the table and writes it as JSON."""
    options = harness.parse(harness.parser(__doc__), argv)
    side = 96 if options.small else 256
    pictures = [_centre(one["image"], side) for one in samples.evaluation()]
    rows = []
    for name in ("denoise",) if options.small else ("denoise", "photo"):
        network = shipped.load(name)
        for profile in ("Adobe RGB",) if options.small else PROFILES:
            chosen = pictures[:1] if options.small else pictures
            scores = _scores(network, profile, chosen)
            rows.append({"network": name, "profile": profile, **scores})
    harness.finish(
        "color_profiles",
        options,
        rows,
        columns=COLUMNS,
        facts={"scores": f"PSNR in dB, noise of sigma {SIGMA}"},
        packages=["scikit-image"],
    )


if __name__ == "__main__":
    main()
