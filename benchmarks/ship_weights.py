"""Makes the weights that come with the package, and their cards, from finished runs.

    python -m jaxrestore.main --config configs/shipped.py:denoise
    python -m benchmarks.ship_weights denoise=runs/shipped-denoise

Each is the averaged generator of a run of `configs/shipped.py`, stored as float16. A
card says what the weights have seen and what they score (`shipped.measure`); a network
that does not beat its classical restorer at every level is not written.
"""

import argparse
from pathlib import Path

import jax
import numpy as np

import jaxrestore
from jaxrestore.comparing import shipped as shipped_scores
from jaxrestore.data import samples
from jaxrestore.inference import restorer, shipped
from jaxrestore.weights import cards, weight_files

FOLDER = Path(jaxrestore.__file__).parent / "weights" / "shipped"
LICENSE = "Apache-2.0, as the package; nothing but what `data` names was trained on"


def card_of(task: str, run: Path) -> tuple[dict, dict]:
    """Returns the card and the variables, rounded to what float16 holds."""
    card, variables = cards.opened(run)
    config = card["source"]["config"]
    half = jax.tree.map(lambda leaf: np.asarray(leaf, np.float16), variables)
    rounded = jax.tree.map(lambda leaf: np.asarray(leaf, np.float32), half)
    network = restorer.of_card(card, rounded, name=str(run))
    leaves = config["data"]["leaves"]
    photographs = ", ".join(samples.public_domain().names)
    card |= {
        "task": task,
        "license": LICENSE,
        "data": f"{leaves:.0%} dead leaves painted by the package; the rest crops of "
        f"scikit-image's {photographs}, each CC0 or in the public domain",
        "steps": card["source"]["step"],
        "degradation": config["degradation"],
        "protocol": shipped.PROTOCOL,
        "scores": shipped.measure(network, task, shipped_scores.judge),
    }
    return card, half


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", nargs="+", metavar="TASK=RUN")
    for text in parser.parse_args().runs:
        task, _, run = text.partition("=")
        card, variables = card_of(task, Path(run))
        for row in card["scores"]:
            ours, theirs = row["ours"]["psnr"], row["classical"]["psnr"]
            print(
                f"{task} {row['level']:g}: classical {theirs:.2f}, ours {ours:.2f} dB"
            )
            if ours <= theirs:
                raise SystemExit(
                    f"{task} is not better at {row['level']:g}; not written"
                )
        FOLDER.mkdir(exist_ok=True)
        weight_files.write(FOLDER / f"{task}.safetensors", variables, card)


if __name__ == "__main__":
    main()
