"""Batches of one image against batches of 64: at equal epochs, and at equal updates.

The source finds batches of one best. At equal epochs they make 64 times as many
updates; and the reference code tests with each image's own statistics, which are what
a network trained on batches of one has seen. So each run is scored with both
statistics: two batch sizes x two ways to be equal x two statistics.

    jaxrestore sweep --study configs/studies/batch_one.py --scale 0.1 \\
        --set data.train=FOLDER --set data.evaluation=OTHER

The rate is constant. At scale 1 images have 256 px, lengths are 20 epochs and 8000
updates; below, images have 64 px and networks an eighth of their width.
"""

from configs import studies

EPOCHS, UPDATES = 20, 8000


def get_study(scale: float = 1.0):
    small = {
        "netG": "unet_64",
        "ngf": 16,
        "crop_size": 64,
        "data.evaluation_crop": 64,
        "degradation.side": 16,
    }
    epochs = studies.epochs(EPOCHS, scale)
    updates = max(1, round(UPDATES * scale))
    in_epochs = {"steps": 0, "n_epochs": epochs, "n_epochs_decay": 0, **often(epochs)}
    in_updates = {"steps": updates, **often(updates)}
    return {
        "name": "batch_one",
        "config": studies.recipe(studies.AB, scale),
        "arms": [
            {"label": f"BS{size}, {text}", "batch_size": size, **length}
            for length, text in (
                (in_epochs, f"{epochs} epochs"),
                (in_updates, f"{updates} updates"),
            )
            for size in (1, 64)
        ],
        "overrides": {
            **({} if scale == 1 else small),
            "lr_policy": "step",  # that never drops
            "lr_decay_iters": 1_000_000,
        },
        "tests": {
            "averaged": {"evaluation.statistics": "eval"},
            "own": {"evaluation.statistics": "pix2pix"},
        },
        "plots": [{"kind": "sheet"}, {"kind": "gains"}],
    }


def often(length):
    """Scored and saved at the end alone: nothing is chosen by the test images."""
    return {"evaluation.every": length, "checkpoint_every": length, "log_every": 1}
