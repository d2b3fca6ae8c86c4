"""The source's main question in one table: batch size, learning rate, epochs.

Batches of 1, 16 and 64, the rate times 1, 10 and 20, at 10, 20, 30 and 40 epochs, which
are looked at in one run of 40: at a constant rate, epoch 10 of a run of 40 is a run
of 10.

    jaxrestore sweep --study configs/studies/main_grid.py --set data.train=FOLDER \\
        --set data.evaluation=OTHER
"""

from configs import studies

BATCHES, FACTORS, LONGEST = (1, 16, 64), (1, 10, 20), 40


def get_study(scale: float = 1.0):
    return studies.study(
        "main_grid",
        scale,
        grid={
            "batch_size": studies.batch_axis(BATCHES, scale),
            "lr": [factor * studies.RATE for factor in FACTORS],
            "n_epochs": [studies.epochs(LONGEST, scale)],
            "n_epochs_decay": [0],
        },
        tests={"own_statistics": {"evaluation.statistics": "pix2pix"}},
        plots=[{"kind": "history"}, {"kind": "sheet"}, {"kind": "gains"}],
    )
