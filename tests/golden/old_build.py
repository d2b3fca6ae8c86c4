"""Makes old_run/, old_card/ and old_build.json: what an older build wrote and printed.

    git worktree add OLD 69a9429
    PYTHONPATH=OLD python tests/golden/old_build.py

69a9429 is the last commit before checkpoints, weight files and the front doors moved
into packages; its checkpoints have the formats of Orbax 0.12. old_run/ is a run that
was stopped after `STOPPED` of its `STEPS`, without its pictures; old_card/ is what
`convert` made of it. The numbers are those of the old build, which went on to the end.
To be made anew, by another old commit, only when a format is given up.
"""

import json
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np

HOME = Path(__file__).parent
FILE = HOME / "old_build.json"
STOPPED, STEPS = 4, 6
# Of configs/gan_full.py:demo. No warm-up and a young average: its output is no longer
# its input. A spectral norm: the state holds more than parameters.
CHANGES = {
    "steps": STEPS,
    "batch_size": 4,
    "crop": 32,
    "ema": 0.5,
    "generator.width": 4,
    "generator.blocks": 1,
    "optimizer.generator.warmup": 0,
    "discriminator.filters": 2,
    "discriminator.stages": 1,
    "discriminator.spectral_norm": True,
    "data.leaves_bank": 2,
    "data.leaves_side": 40,
    "data.evaluation_crop": 32,
    "evaluation.every": 2,
    "log_every": 2,
    "checkpoint_every": 2,
}


def picture() -> np.ndarray:
    """Returns the image [1, 19, 23, 3] that the restorers see."""
    return np.random.default_rng(0).random((1, 19, 23, 3), np.float32)


def main():
    """Writes the file and the two folders."""
    # Where these modules lay in that build.
    from configs import gan_full
    from jaxrestore import checkpoints, cli_weights
    from jaxrestore.evaluation import outcome
    from jaxrestore.inference import restorer
    from jaxrestore.training import loop

    # Paths are written into a run: those of a folder of no name.
    os.chdir(tempfile.mkdtemp())
    run, weights = Path("old_run"), Path("old_card/weights.safetensors")
    config = gan_full.get_config("demo")
    config.update_from_flattened_dict(CHANGES)
    loop.train(config.to_dict(), run)

    def numbers(step):
        restored = restorer.load(run, step).apply(picture())
        tree = checkpoints.load_restorer(run, step)
        return {
            "state_hash": checkpoints.state_hash(run, step),
            "restorer_hash": checkpoints.tree_hash(tree),
            "restored": [round(float(n), 6) for n in np.ravel(restored)[::7]],
        }

    document = {
        str(STEPS): numbers(STEPS),
        str(STOPPED): numbers(STOPPED),
    }
    for step in set(checkpoints.steps(run)) - {STOPPED}:
        shutil.rmtree(run / checkpoints.FOLDER / str(step))
    document["summary"] = outcome.score(run)
    history = [json.loads(line) for line in (run / "metrics.jsonl").open()]
    document["history"] = [row for row in history if row["step"] > STOPPED]
    kept = [json.dumps(row) + "\n" for row in history if row["step"] <= STOPPED]
    (run / "metrics.jsonl").write_text("".join(kept))
    weights.parent.mkdir()
    cli_weights.convert(run, weights)
    document["sha256"] = json.loads(weights.with_suffix(".json").read_text())["sha256"]
    for unwanted in ("report.html", "tensorboard", "evaluation.csv", "summary.json"):
        place = run / unwanted
        shutil.rmtree(place) if place.is_dir() else place.unlink()
    for marker in run.rglob("commit_success.txt"):
        marker.write_text(marker.read_text().replace(f"{Path.cwd()}/", ""))
    for folder in (run, weights.parent):
        shutil.rmtree(HOME / folder, ignore_errors=True)
        shutil.copytree(folder, HOME / folder)
    FILE.write_text(json.dumps(document) + "\n")


if __name__ == "__main__":
    main()
