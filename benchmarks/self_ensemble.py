"""What the mean of eight views gains over one: turned and mirrored, and turned back.

    python -m benchmarks.self_ensemble [--small]

The networks that ship on four photographs of 256 px each, PSNR in dB under rgb8, files
to files. All of the change is made, since `caution` takes less of it back from a mean.
Nothing is timed: it is eight times the work.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks import harness
from jaxrestore.comparing import shipped as shipped_scores
from jaxrestore.inference import restorer, shipped, trials

COLUMNS = ["network", "level", "one", "eight"]
LEVELS: Mapping[str, Sequence[trials.Level]] = {
    "denoise": (25,),
    "photo": (25,),
    "jpeg": (10,),
    "pixel_shuffle": (0.15,),
    "inpaint": ("strokes", "box"),
}


def files(network: restorer.Restorer, ensemble: bool) -> trials.Restore:
    """Returns what maps images [b, h, w, c] to what becomes of them as files."""
    masked = "mask" in network.takes

    def one(image):
        levels = np.rint(255 * image).astype(np.uint8)
        options: dict[str, Any] = {"strength": 1, "ensemble": ensemble}
        if masked:
            options = {"mask": levels[..., -1] > 127, "ensemble": ensemble}
            levels = levels[..., :-1]
        return restorer.restore_image(network, levels, **options)

    return lambda images: np.stack([one(x) for x in np.asarray(images)]) / 255


def main(argv: Sequence[str] | None = None):
    """Prints the table and writes it as JSON."""
    options = harness.parse(harness.parser(__doc__), argv)
    names = ["pixel_shuffle"] if options.small else [*LEVELS]
    rows = []
    for name in names:
        network = shipped.load(name)
        for level in LEVELS[name]:
            case = shipped.task(name).cases[level]
            views = {"one": files(network, False), "eight": files(network, True)}
            found = shipped_scores.judge(case.damage, views, case.pictures)
            scores = {view: f"{found[view]['psnr']:.2f}" for view in views}
            rows.append({"network": name, "level": str(level), **scores})
    harness.finish(
        "self_ensemble",
        options,
        rows,
        columns=COLUMNS,
        facts={"scores": f"PSNR in dB under {shipped.PROTOCOL}"},
        packages=["scikit-image"],
    )


if __name__ == "__main__":
    main()
