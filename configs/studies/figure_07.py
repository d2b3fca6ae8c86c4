"""Figure 7: four identical runs on variational blocks; only their seeds differ.

The source found about 22.3 dB three times, and 22.8 dB. It does not say how long they
ran; here it is N40.

    jaxrestore sweep --study configs/studies/figure_07.py

`scale` leaves the four seeds as they are.
"""

from configs import studies

NORMAL, SEEDS = 40, 4


def get_study(scale: float = 1.0):
    return studies.study(
        "figure_07",
        scale,
        config=studies.VARIATIONAL,
        grid={
            "batch_size": [studies.batch(studies.BATCH, scale)],
            "n_epochs": [studies.epochs(NORMAL, scale)],
            "n_epochs_decay": [0],
        },
        seeds=SEEDS,
        plots=[{"kind": "line", "x": "seed"}, {"kind": "history"}],
    )
