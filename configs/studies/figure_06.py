"""Figure 6: PSNR against D up to 80, after 30 and after 40 normal epochs.

The left half of the source's figure is N30, the right half N40, on fixed blocks. Each
(N, D) is a run of its own, since its rate falls in its own way.

    jaxrestore sweep --study configs/studies/figure_06.py
"""

from configs import studies

NORMAL, LONGEST = (30, 40), 80


def get_study(scale: float = 1.0):
    decays = [count for count in studies.DECAYS if count <= LONGEST]
    return studies.study(
        "figure_06",
        scale,
        grid={
            "batch_size": [studies.batch(studies.BATCH, scale)],
            "n_epochs": studies.epoch_axis(NORMAL, scale),
            "n_epochs_decay": studies.epoch_axis(decays, scale),
        },
        plots=[
            {"kind": "line", "x": "n_epochs_decay", "lines": ["n_epochs"]},
            {"kind": "scatter"},
        ],
    )
