"""Does a network restore what it was trained on better than other things?

Trained on faces, on facades and on photographs of anything, each tested on all three:
a matrix of gains over the input, after equal updates.

    jaxrestore sweep --study configs/studies/subjects.py --scale 0.1

expects the folders `SUBJECTS` below `data/`, where the command is given. The residual
preset on varied blocks. Below scale 1 images have 128 px.
"""

from configs import studies

UPDATES = 8000
SUBJECTS = {  # training images, test images
    "faces": ("data/faces_train", "data/faces_test"),
    "facades": ("data/facades_train", "data/facades_test"),
    "photographs": ("data/photographs_train", "data/photographs_test"),
}


def get_study(scale: float = 1.0):
    updates = max(1, round(UPDATES * scale))
    return {
        "name": "subjects",
        "config": studies.recipe(f"{studies.VARIATIONAL},residual", scale),
        "arms": [
            {"label": name, "data.train": train, "data.evaluation": test}
            for name, (train, test) in SUBJECTS.items()
        ],
        "overrides": {
            "steps": updates,
            "evaluation.every": updates,
            "checkpoint_every": updates,
            "log_every": max(1, updates // 20),
        },
        "tests": {
            name: {"data.evaluation": test} for name, (_, test) in SUBJECTS.items()
        },
        "plots": [{"kind": "gains"}],
    }
