"""Figure 12: the training images against the test images, variational blocks, BS64.

The source's models score higher on test than on training images. It did not say what
the pixelated images of both sets score, which is what such a difference depends on:
here both inputs are drawn, and the detail of both sets is in the legend.

    jaxrestore sweep --study configs/studies/figure_12.py --set data.train=FOLDER \\
        --set data.evaluation=OTHER

The training images are scored again as test images, so they need a folder.
"""

from configs import studies


def get_study(scale: float = 1.0):
    return studies.study(
        "figure_12",
        scale,
        config=studies.VARIATIONAL,
        grid={
            "batch_size": [studies.batch(studies.BATCH, scale)],
            "n_epochs": studies.epoch_axis(range(10, 41, 10), scale),
            "n_epochs_decay": [0],
        },
        tests={"train": {"data.evaluation": "{data.train}"}},
        plots=[
            {"kind": "sets"},
            {"kind": "line", "x": "n_epochs"},
            {"kind": "line", "x": "n_epochs", "y": "train:psnr", "name": "train_psnr"},
        ],
    )
