"""`jaxrestore study make`: a page that asks people which of two pictures they prefer.

Every question shows two pictures side by side. Of kind `"2afc"`, they are restorations
of one image by two methods; of kind `"real"`, a restoration and its target, and the
question is which one is real: a method nobody can tell apart is chosen half the time.
Catch questions, a target beside its strong blur, find out who does not look.

`study.html` is all that a rater gets; nothing in it names a method. `study.json` is the
key: it says which picture was whose, and what metrics say of them.
"""

import base64
import hashlib
import importlib.resources
import itertools
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxrestore import __version__, errors, files, folders, naming
from jaxrestore.raters import pictures as perceptual_pictures

PAGE, KEY = "study.html", "study.json"
QUESTIONS = {
    "2afc": "Which one looks better?",
    "real": "One is a real picture, one was restored. Which one is real?",
}
LIKENESS = "Which one is more like the reference above?"
TARGET, BLURRED = perceptual_pictures.TARGET, perceptual_pictures.BLURRED
INPUT = "input"
PAGE_LIMIT = 200_000_000  # bytes; a browser on a phone holds no more

Trial = dict[str, Any]
Item = perceptual_pictures.Item


def make(
    output: Path,
    methods: Mapping[str, Path],
    targets: Path,
    inputs: Path | None = None,
    *,
    images: int = 40,
    kind: str = "2afc",
    seed: int = 0,
    catch: int = 4,
    reference: bool = False,
) -> dict[str, Any]:
    """Writes `study.html` and `study.json` in the new folder `output`; returns the key.

    `methods` has a folder of restorations by name; the files of an image have one stem
    everywhere. `images` questions are asked, each about another image while there are
    enough; with fewer images, each returns with other methods, and when every image
    was shown with every pair, there are no more questions. Pairs of methods, and the
    sides of each, come equally often up to one. `inputs`, the degraded images, are
    shown above, and so are the targets with `reference`. `catch` questions are added.

    The key has `study` (an id made of its content: the same command makes the same
    study), `kind`, `seed`, `methods`, `trials` (in each the `left` and `right` role),
    `images` (hashes, and the scores of `protocols.rgb8` in the three channels shown;
    None is infinite) and `skipped`: stems that lack a file, cannot be read or differ
    in size from their target, with the reason.

    Raises `ConfigError` for what cannot be meant, an `output` that holds a study, and
    a page above `PAGE_LIMIT`; `NoInputError` when no image is left.
    """
    _check(output, methods, images, kind, catch, reference)
    rng = np.random.default_rng(seed)
    places = {**methods, TARGET: targets}
    if inputs is not None:
        places[INPUT] = inputs
    partners, skipped = folders.partners(places)
    stems = [[*partners][i] for i in rng.permutation(len(partners))]
    shuffled = {stem: partners[stem] for stem in stems}
    items = perceptual_pictures.read(shuffled, [*methods], images, skipped)
    arms = [*itertools.combinations(methods, 2)]
    if kind == "real":
        arms = [(TARGET, method) for method in methods]
    trials = _trials(rng, items, arms, images, catch)
    above = [INPUT] * (inputs is not None) + [TARGET] * reference
    hashes = [{"stem": item.stem, "hashes": item.hashes} for item in items]
    key: dict[str, Any] = {
        "study": _identity([kind, seed, above, trials, hashes]),
        "jaxrestore": __version__,
        "kind": kind,
        "question": LIKENESS if reference else QUESTIONS[kind],
        "seed": seed,
        "above": above,
        "methods": {name: str(place) for name, place in methods.items()},
        "targets": str(targets),
        "inputs": None if inputs is None else str(inputs),
        "trials": trials,
        "images": [
            {**row, "metrics": item.metrics}
            for row, item in zip(hashes, items, strict=True)
        ],
        "skipped": skipped,
    }
    page = _page(rng, key, items)
    output.mkdir(parents=True, exist_ok=True)
    files.write_text(output / PAGE, page)
    files.write_json(output / KEY, key)
    return key


def read_key(folder: Path) -> dict[str, Any]:
    """Returns the key of the study in `folder`, as `make` returned it.

    Raises `NoInputError` when there is none and `ConfigError` for a damaged one.
    """
    path = folder / KEY
    if not path.is_file():
        raise errors.NoInputError(
            f"{folder} holds no {KEY}; make the study with `jaxrestore study make`"
        )
    try:
        key = json.loads(path.read_text("utf-8"))
        if {"study", "kind", "methods", "trials", "images"} <= set(key):
            return key
    except (ValueError, TypeError):
        pass
    raise errors.ConfigError(
        f"{path} is no key of a study, or damaged; the answers need the one that was "
        "made with their page"
    )


def _check(output, methods, images, kind, catch, reference):
    if kind not in QUESTIONS:
        raise errors.ConfigError(
            f"there is no kind {kind!r} of study: {naming.nearest(kind, QUESTIONS)}"
        )
    least = 2 if kind == "2afc" else 1
    if len(methods) < least:
        raise errors.ConfigError(
            f"a study of kind {kind} compares {least} methods or more, got "
            f"{len(methods)}; name each with its folder, as gan=restored/gan"
        )
    if reserved := sorted({TARGET, BLURRED, INPUT} & set(methods)):
        raise errors.ConfigError(
            f"a method cannot be called {reserved[0]!r}, a word of the study itself; "
            "choose another name"
        )
    if images < 1 or catch < 0:
        raise errors.ConfigError(
            f"a study needs images >= 1 and catch >= 0, got {images} and {catch}"
        )
    if reference and kind == "real":
        raise errors.ConfigError(
            "beside its reference everyone tells what is real; leave reference out"
        )
    if (output / KEY).exists() or (output / PAGE).exists():
        raise errors.ConfigError(
            f"{output} holds a study already, whose answers need its key; choose "
            "another folder"
        )


def _trials(
    rng: np.random.Generator,
    items: Sequence[Item],
    arms: Sequence[tuple[str, str]],
    count: int,
    catch: int,
) -> list[Trial]:
    """Returns the questions in random order, catch questions among them."""
    stems, pairs = [item.stem for item in items], rng.permutation(arms).tolist()
    # Down the diagonals of the table image x pair: no cell comes twice, and at any
    # moment all images, and all pairs, came equally often up to one.
    lap = math.lcm(len(stems), len(pairs))
    cells = [
        (stems[k % len(stems)], pairs[(k + k // lap) % len(pairs)], False)
        for k in range(min(count, len(stems) * len(pairs)))
    ]
    # The plainest first: on an even picture blur leaves nothing to see.
    plain = sorted(items, key=lambda item: -item.blur_error)
    caught = itertools.islice(itertools.cycle(plain), catch)
    cells += [(item.stem, [TARGET, BLURRED], True) for item in caught]
    turned = {tuple(pair): bool(rng.integers(2)) for _, pair, _ in cells}
    trials = []
    for stem, pair, is_catch in cells:
        left, right = reversed(pair) if turned[tuple(pair)] else pair
        turned[tuple(pair)] = not turned[tuple(pair)]
        trials.append({"image": stem, "left": left, "right": right, "catch": is_catch})
    order = rng.permutation(len(trials))
    return [{"trial": f"q{n + 1:03}", **trials[i]} for n, i in enumerate(order)]


def _identity(content: Any) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]


def _page(
    rng: np.random.Generator, key: Mapping[str, Any], items: Sequence[Item]
) -> str:
    """Returns the page; pictures have numbers that tell nothing of who made them."""
    pictures = {
        (item.stem, role): p for item in items for role, p in item.pictures.items()
    }
    shown = {
        (trial["image"], role)
        for trial in key["trials"]
        for role in (trial["left"], trial["right"], *key["above"])
    }
    order = sorted(shown)
    numbers = {order[i]: n for n, i in enumerate(rng.permutation(len(order)))}
    place = {n: pictures[who] for who, n in numbers.items()}
    size = sum(map(len, place.values())) * 4 // 3
    if size > PAGE_LIMIT:
        raise errors.ConfigError(
            f"the page would hold {size / 1e6:.0f} MB of pictures, more than "
            f"{PAGE_LIMIT / 1e6:.0f}; use fewer images, or smaller crops of them"
        )
    names = {INPUT: "degraded input", TARGET: "reference"}
    data = {
        "study": key["study"],
        "question": key["question"],
        "above": [names[role] for role in key["above"]],
        "trials": [
            {
                "trial": trial["trial"],
                "left": numbers[trial["image"], trial["left"]],
                "right": numbers[trial["image"], trial["right"]],
                "above": [numbers[trial["image"], role] for role in key["above"]],
            }
            for trial in key["trials"]
        ],
        "pictures": [
            "data:image/png;base64," + base64.b64encode(place[n]).decode()
            for n in range(len(place))
        ],
    }
    template = importlib.resources.files("jaxrestore.raters").joinpath("study.html")
    # No "<" in the data: it could end the element that holds it.
    text = json.dumps(data).replace("<", "\\u003c")
    return template.read_text("utf-8").replace("@DATA@", text)
