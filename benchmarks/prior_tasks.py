"""What the prior makes of four kinds of damage, ended as `--prior` ends it.

    taskset -c 0,1 python -m benchmarks.prior_tasks [--images 1] [--side 128]

Crops of photographs, as in `prior_stop`: with noise of sigma 25 of 255, half of their
pixels missing, as a JPEG file of quality 10, and a quarter as wide and high. `input` is
the PSNR of what is given, in dB: with the mean colour in its gaps, or enlarged by
bicubic interpolation. The JSON is written after each row; `--small` only shows that it
runs.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import harness, prior_stop
from jaxrestore.degradations import jpeg
from jaxrestore.inference import classical
from jaxrestore.ops import resize
from jaxrestore.prior import deep_image, tasks

SCALE = 4


class Question(NamedTuple):
    """What is restored, what it is scored beside, and the options of `restore`."""

    degraded: Any
    before: Any
    options: dict[str, Any]


def questions(index: int, side: int) -> tuple[np.ndarray, dict[str, Question]]:
    """Returns a crop [1, h, w, 3] in [0, 1] and what is asked, by the task's name."""
    clean, noisy = prior_stop.noisy(index, side, 25)
    rng = np.random.default_rng(100 + index)
    mask = (rng.random((1, side, side, 1)) < 0.5).astype(np.float32)
    gaps = np.where(mask > 0, np.float32(0.5), clean)
    filled = classical.mean_fill(jnp.concatenate([gaps, mask], -1))
    packed = jpeg.degrade(jax.random.key(index), jnp.asarray(clean[0]), quality=10)
    operator = tasks.downsampling(SCALE)
    small = operator(jnp.asarray(clean))
    asked = {"operator": operator, "size": (side, side)}
    return clean, {
        "denoise": Question(noisy, noisy, {}),
        "inpaint": Question(gaps, filled, {"mask": jnp.asarray(mask)}),
        "jpeg": Question(packed[None], packed[None], {}),
        "sr": Question(small, resize.resize(small, side, side), asked),
    }


def main(argv: Sequence[str] | None = None):
    parser = harness.parser(__doc__)
    parser.add_argument("--images", type=int, default=1, help="of the eight crops")
    parser.add_argument("--side", type=int, default=128, help="of a crop, up to 128")
    parser.add_argument("--only", nargs="+", choices=[*tasks.TASKS], help="tasks")
    options = harness.parse(parser, argv)
    side, images = (16, 1) if options.small else (options.side, options.images)
    records = []
    for index in range(images):
        clean, asked = questions(index, side)
        for name, question in asked.items():
            if name not in (options.only or asked):
                continue
            task = prior_stop.SMALL if options.small else name
            result = deep_image.restore(
                jnp.asarray(question.degraded), task=task, **question.options
            )
            records.append(
                {
                    "crop": " ".join(map(str, prior_stop.CROPS[index])),
                    "task": name,
                    "input": prior_stop.psnr(question.before, clean),
                    "restored": prior_stop.psnr(result.images, clean),
                    "iteration": result.iterations[0],
                    "ended by": result.ended[0],
                }
            )
            harness.finish(
                "prior_tasks",
                options,
                records,
                columns=[*records[0]],
                facts={"side": side},
            )


if __name__ == "__main__":
    main()
