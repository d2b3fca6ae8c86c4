"""Figure 4: PSNR of every model on fixed blocks, by N and D.

None of the source's models reached the pixelated image itself, whose PSNR it drew as a
line: 18.36 dB after N10, 21.56 dB after N40 (21.12 dB when repeated). Its caption says
batches of 64, its text 100; both are here.

    jaxrestore sweep --study configs/studies/figure_04.py

With D = 0 the rate is constant, so the run of 150 epochs passes through all shorter
ones, and its history is the axis N = 10, 20, ... 150. With D > 0 each (N, D) is a run
of its own: 300 of them beside the two, which is why `scale` exists.
"""

from configs import studies


def get_study(scale: float = 1.0):
    lengths = studies.epoch_axis(studies.EPOCHS, scale)
    decays = [d for d in studies.epoch_axis(studies.DECAYS, scale) if d]
    batches = studies.batch_axis((studies.BATCH, 100), scale)
    whole = [
        {"batch_size": size, "n_epochs": lengths[-1], "n_epochs_decay": 0}
        for size in batches
    ]
    return studies.study(
        "figure_04",
        scale,
        grid={"batch_size": batches, "n_epochs": lengths, "n_epochs_decay": decays},
        arms=whole,
        plots=[
            {
                "kind": "history",
                "name": "figure_04_constant",
                "only": {"n_epochs_decay": 0},
            },
            {
                "kind": "line",
                "x": "n_epochs",
                "lines": ["batch_size", "n_epochs_decay"],
                "name": "figure_04_decay",
            },
            {"kind": "sheet"},
            {"kind": "scatter"},
            {"kind": "gains"},
        ],
    )
