"""Figure 5: PSNR against N up to 120, fixed and variational blocks.

In the source neither reaches its own pixelated input. Each recipe is trained once; its
rate is constant, so its history is the axis. Both are scored on both kinds of input.

    jaxrestore sweep --study configs/studies/figure_05.py
"""

from configs import studies

LONGEST = 120


def get_study(scale: float = 1.0):
    side, sides = (64, [48, 128]) if scale == 1 else (32, [24, 64])
    both = [studies.recipe(name, scale) for name in (studies.AB, studies.VARIATIONAL)]
    return studies.study(
        "figure_05",
        scale,
        grid={
            "config": both,
            "batch_size": [studies.batch(studies.BATCH, scale)],
            "n_epochs": [studies.epochs(LONGEST, scale)],
            "n_epochs_decay": [0],
        },
        tests={
            "AB": {"degradation": {"name": "pixelate", "side": side}},
            "variational": {"degradation": {"name": "pixelate", "side": sides}},
        },
        plots=[{"kind": "history"}, {"kind": "sheet"}, {"kind": "gains"}],
    )
