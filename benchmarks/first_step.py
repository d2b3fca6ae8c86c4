"""Time to the first step: from the start of a process, with cold and warm caches.

A process imports what it needs, makes weights and a batch, compiles and takes one step
of the config that it reads from its standard input. Cold: the compiler's cache folder
is empty; warm: another process of the same kind has filled it.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

CACHES = {
    "JAX_COMPILATION_CACHE_DIR": "jax",
    "TORCHINDUCTOR_CACHE_DIR": "inductor",
    "TRITON_CACHE_DIR": "triton",
    "CUDA_CACHE_PATH": "cuda",
}
# Else JAX keeps only what took long to compile.
KEEP_ALL = {
    "TORCHINDUCTOR_FORCE_DISABLE_CACHES": "0",
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
}


def rows(config: Mapping[str, Any], names: list[str]) -> list[dict[str, Any]]:
    """Returns a record for each of `names`: ours, or a variant of `torch_steps`."""
    records = []
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            cold, warm = (seconds(config, name, Path(folder)) for _ in range(2))
        records.append(
            {
                "contestant": f"{name}, new process",
                "to first step, cold s": cold,
                "warm s": warm,
            }
        )
    return records


def seconds(config: Mapping[str, Any], name: str, caches: Path) -> float:
    """Returns how long a new process needs until its first step is done."""
    folders = {variable: str(caches / name) for variable, name in CACHES.items()}
    command = [sys.executable, "-m", "benchmarks.first_step", name]
    # Wall-clock time, since it is compared between two processes.
    started = time.time()
    done = subprocess.run(
        command,
        cwd=Path(__file__).parents[1],
        input=json.dumps(config),
        env={**os.environ, **folders, **KEEP_ALL},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return float(done.stdout.splitlines()[-1]) - started


def main():
    name, config = sys.argv[1], json.load(sys.stdin)
    (_ours if name == "ours" else _theirs)(name, config)
    print(time.time())


def _ours(name, config):
    import jax
    import numpy as np

    from jaxrestore.training import recipe, setup, steps

    built = recipe.build(config)
    run = jax.jit(setup.initial(built, config))(jax.random.key(0))
    images = np.zeros((1, config["batch_size"], config["crop"], config["crop"], 3))
    step = jax.jit(steps.train_steps(built), donate_argnums=0)
    jax.block_until_ready(step(run, images.astype(np.uint8)))


def _theirs(name, config):
    import numpy as np

    from benchmarks import torch_steps

    torch_steps.prepare()
    variant = torch_steps.variants(config["precision"])[name]
    step = torch_steps.TrainStep(config, *torch_steps.networks(config), variant)
    side = config["crop"]
    images = np.zeros((config["batch_size"], side, side, 3), np.uint8)
    image = step.place(images)
    terms = step(image, image)
    float(terms["discriminator/loss"])
    if variant.device == "cuda":
        torch_steps.torch.cuda.synchronize()


if __name__ == "__main__":
    main()
