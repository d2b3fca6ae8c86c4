"""Makes the weights that come with the package, and their cards, from finished runs.

    python -m jaxrestore.main --config configs/shipped.py:denoise
    python -m benchmarks.ship_weights denoise=runs/shipped-denoise

Each is the averaged generator of the last checkpoint of a run of `configs/shipped.py`
(or of a file of weights, whose card is made anew), stored as float16. `TASK=RUN,NEXT`
is a mean of two runs, of which the second went on from the first: a fifth and four
fifths; of `photo` it scores better than either with noise of any level. A
card says what the weights have seen, what they make of clean photographs that neither
trained nor evaluate them, and what they score (`shipped.measure`); a network with
`shipped.shortcomings` is not written.
"""

import argparse
import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import jaxrestore
from jaxrestore.comparing import shipped as shipped_scores
from jaxrestore.data import samples
from jaxrestore.degradations import batched
from jaxrestore.evaluation import evaluate
from jaxrestore.inference import caution, restorer, shipped
from jaxrestore.runs import checkpoints
from jaxrestore.training import inheritance
from jaxrestore.weights import cards, weight_files

FOLDER = Path(jaxrestore.__file__).parent / "weights" / "shipped"
ALPHA = 0.8  # the share of the second of two runs
LICENSE = "Apache-2.0, as the package; nothing but what `data` names was trained on"


def card_of(task: str, runs: list[Path]) -> tuple[dict, dict]:
    """Returns the card and the variables, rounded to what float16 holds."""
    ends = [opened(run) for run in runs]
    card, variables = ends[-1]
    if len(ends) > 1:
        card["interpolated"] = f"{ALPHA} of this training, the rest of the one before"
        _, variables = cards.interpolated(ends[0], ends[1], ALPHA)
    config = card["source"]["config"]
    half = jax.tree.map(lambda leaf: np.asarray(leaf, np.float16), variables)
    rounded = jax.tree.map(lambda leaf: np.asarray(leaf, np.float32), half)
    network = restorer.of_card(card, rounded, name=task)
    network = dataclasses.replace(network, caution=caution_of(network, task))
    earlier = sittings(config)
    config["init_from"] = ""  # a place on this machine
    leaves, drawn = config["data"]["leaves"], config["data"].get("drawings", 0.0)
    drawings = f"and {leaves * drawn:.0%} drawings " if drawn else ""
    photographs = ", ".join(samples.public_domain().names)
    card |= {
        "task": task,
        "license": LICENSE,
        "data": f"{leaves * (1 - drawn):.0%} dead leaves {drawings}painted by the "
        f"package; the rest crops of scikit-image's {photographs}, each CC0 or in the "
        "public domain",
        "earlier": earlier,
        "steps": card["source"]["step"],
        "degradation": config["degradation"],
        "caution": network.caution and network.caution._asdict(),
        "protocol": shipped.PROTOCOL,
        "scores": shipped.measure(network, task, shipped_scores.judge),
    }
    return card, half


def opened(run: Path) -> tuple[dict, dict]:
    """Returns card and variables of the last checkpoint of a run, or of a file.

    The best one would be chosen by the pictures that the card's scores are of.
    """
    last = checkpoints.finished(run)[-1] if run.is_dir() else None
    return cards.opened(run, step=last)


def sittings(config: dict) -> list[dict]:
    """Returns what a run has begun with, and that run before it: the last one first."""
    if not config["init_from"]:
        return []
    place = Path(config["init_from"])
    _, words = inheritance.load(str(place))
    found = {"from": words.removeprefix(str(place)).strip(", ")}
    if not place.is_dir():
        return [found]
    before = checkpoints.read_config(place)
    told = ("steps", "degradation", "augment")
    return [found | {key: before[key] for key in told}, *sittings(before)]


def caution_of(network: restorer.Restorer, task: str) -> caution.Caution | None:
    """Returns how far a network is believed; None of one that is told what is lost.

    One that enlarges adds what is not there, and has nothing to keep either.
    """
    if "mask" in network.takes or network.scale > 1:
        return None
    # Blocks and shuffled pixels recur; noise does not.
    repeats = task in ("denoise", "photo")
    return caution.Caution(round(change_of_clean(network, task), 4), repeats)


def change_of_clean(network: restorer.Restorer, task: str) -> float:
    """Returns what a network changes a clean photograph by, as a share of its contrast.

    Root mean squares; the median of scikit-image's motorcycles, tissue and coins, their
    central 256 px: no network that ships was trained on them or is scored on them. For
    `jpeg` what it makes of files of quality 95, within their limits: better ones are
    none to it.
    """
    damage = {"name": "jpeg", "quality": 95, "subsampling": "4:4:4"}
    if task != "jpeg":
        damage = {"name": "eight_bit"}
    source, seen = samples.training(), samples.public_domain().names
    shares = []
    for index, name in enumerate(source.names):
        if name in seen:
            continue
        image = evaluate.centre_crop(source[index]["image"], 256)
        keys = batched.image_keys(jax.random.key(0), 1)
        clean = jnp.asarray(image[None], jnp.float32) / 255
        before = batched.degrade(keys, clean, recipe=damage)
        after = shipped.as_files(network, damage, strength=1)(before)
        contrast = np.asarray(before).var((0, 1, 2)).mean()
        shares.append(np.square(after - before).mean() / contrast)
    return float(np.sqrt(np.median(shares)))


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", nargs="+", metavar="TASK=RUN[,NEXT]")
    for text in parser.parse_args().runs:
        task, _, places = text.partition("=")
        card, variables = card_of(task, [*map(Path, places.split(","))])
        for row in card["scores"]:
            said = (
                f"{who} {row[who]['psnr']}" for who in ("input", "classical", "ours")
            )
            print(f"{task} at {row['level']}, dB: {', '.join(said)}")
        if wanting := shipped.shortcomings(task, card["scores"]):
            raise SystemExit("\n  ".join(["not written:", *wanting]))
        FOLDER.mkdir(exist_ok=True)
        weight_files.write(FOLDER / f"{task}.safetensors", variables, card)


if __name__ == "__main__":
    main()
