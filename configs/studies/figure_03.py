"""Figure 3: seconds an epoch and memory against the batch size.

The source timed one normal epoch and one in which the learning rate falls, for batch
sizes that are powers of two, and chose 64. Here memory is what the compiled step holds
on a device, and the seconds are without evaluation.

    jaxrestore sweep --study configs/studies/figure_03.py

`scale` also ends the powers of two earlier, at 128 times it.
"""

from configs import studies

LARGEST = 128


def get_study(scale: float = 1.0):
    sizes = [2**power for power in range(8) if 2**power <= max(2, LARGEST * scale)]
    return studies.study(
        "figure_03",
        scale,
        grid={"batch_size": sizes, "n_epochs": [1], "n_epochs_decay": [1]},
        every=2,
        plots=[{"kind": "cost", "x": "batch_size"}],
    )
