"""Figure 10: batches of one image; PSNR against N.

The source: after 10 epochs BS1 has 23.16 dB, nearly the pixelated image's and more than
BS64 N40's 21.56 dB. But BS1 N10 makes 50 000 updates and BS64 N40 3 160: so batches of
64 and 100 are here too, and the second command compares all at equal updates, with a
constant rate. The reference code also tests with an image's own statistics and with
dropout, which the test `own_statistics` does.

    jaxrestore sweep --study configs/studies/figure_10.py
    jaxrestore sweep --study configs/studies/figure_10.py --budget 5000 \\
        --set lr_policy=step --set lr_decay_iters=1000000
"""

from configs import studies

LONGEST = 40


def get_study(scale: float = 1.0):
    return studies.study(
        "figure_10",
        scale,
        grid={
            "batch_size": studies.batch_axis(studies.BATCHES, scale),
            "n_epochs": [studies.epochs(LONGEST, scale)],
            "n_epochs_decay": [0],
        },
        tests={"own_statistics": {"evaluation.statistics": "pix2pix"}},
        plots=[{"kind": "history"}, {"kind": "sheet"}, {"kind": "gains"}],
    )
