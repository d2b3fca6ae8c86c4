"""Figure 8: learning rates a tenth to twenty times pix2pix's, BS64 N40.

The source: 22.10 dB at twenty times 2e-4 against 21.56 dB at 2e-4.

    jaxrestore sweep --study configs/studies/figure_08.py --mode vmap

The arms differ in one scalar, so one program can train them all (`--mode`).
"""

from configs import studies

NORMAL = 40


def get_study(scale: float = 1.0):
    return studies.study(
        "figure_08",
        scale,
        grid={
            "batch_size": [studies.batch(studies.BATCH, scale)],
            "n_epochs": [studies.epochs(NORMAL, scale)],
            "n_epochs_decay": [0],
            "lr": studies.rates(studies.FACTORS, scale),
        },
        plots=[{"kind": "line", "x": "lr"}, {"kind": "history"}, {"kind": "sheet"}],
    )
