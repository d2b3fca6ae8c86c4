"""Figure 11: batches of one image at 2e-4 and at twenty times that; PSNR against N.

Twenty times the rate was the source's best at batches of 64 (figure 8).

    jaxrestore sweep --study configs/studies/figure_11.py
"""

from configs import studies

LONGEST, COMPARED = 40, (1, 20)


def get_study(scale: float = 1.0):
    return studies.study(
        "figure_11",
        scale,
        grid={
            "batch_size": [1],
            "n_epochs": [studies.epochs(LONGEST, scale)],
            "n_epochs_decay": [0],
            "lr": studies.rates(COMPARED, scale),
        },
        plots=[{"kind": "history"}, {"kind": "sheet"}],
    )
