"""Figure 9: PSNR against N up to 120 at 2e-4 and at twenty times that.

The source: twenty times the rate starts better and is unstable after 40 epochs. The
rates are constant, so the histories of two runs are the figure.

    jaxrestore sweep --study configs/studies/figure_09.py
"""

from configs import studies

LONGEST, COMPARED = 120, (1, 20)


def get_study(scale: float = 1.0):
    return studies.study(
        "figure_09",
        scale,
        grid={
            "batch_size": [studies.batch(studies.BATCH, scale)],
            "n_epochs": [studies.epochs(LONGEST, scale)],
            "n_epochs_decay": [0],
            "lr": studies.rates(COMPARED, scale),
        },
        plots=[{"kind": "history"}, {"kind": "sheet"}],
    )
