"""Does training on varied blocks pay on blocks that were never seen?

The source trained on one block size (AB) and on varied ones, and tested each on its
own. Here each is tested on both, and on three numbers of blocks that neither saw:
coarser than all, and twice finer than all.

    jaxrestore sweep --study configs/studies/generalization.py --scale 0.1 \\
        --set data.train=FOLDER --set data.evaluation=OTHER

The residual preset, since the source's networks stay below their input. Equal updates:
`UPDATES` times the scale. Below scale 1 images have 128 px and half of the blocks.
"""

from configs import studies

UPDATES = 8000
UNSEEN = (32, 144, 192)  # blocks along 256 px; seen are 64, and 48 to 128


def get_study(scale: float = 1.0):
    half = 1 if scale == 1 else 2
    recipes = [f"{name},residual" for name in (studies.AB, studies.VARIATIONAL)]
    recipes = [studies.recipe(name, scale) for name in recipes]
    updates = max(1, round(UPDATES * scale))
    asked = {"AB": 64 // half, "variational": [48 // half, 128 // half]}
    asked |= {f"{side // half} blocks": side // half for side in UNSEEN}
    return {
        "name": "generalization",
        "config": recipes[0],
        "grid": {"config": recipes},
        "words": {"config": dict(zip(recipes, ("AB", "variational"), strict=True))},
        "overrides": {
            "steps": updates,
            "evaluation.every": updates,
            "checkpoint_every": updates,
            "log_every": max(1, updates // 20),
        },
        "tests": {name: {"degradation.side": side} for name, side in asked.items()},
        "plots": [{"kind": "sheet"}, {"kind": "gains"}],
    }
