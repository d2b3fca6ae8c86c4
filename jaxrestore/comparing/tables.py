"""A comparison as text: one table, and a sentence for each measure and pair of arms."""

import statistics
from collections.abc import Mapping
from typing import Any

from jaxrestore import tables
from jaxrestore.comparing import images
from jaxrestore.sweeps import table

_WIDEST = 24  # characters of a label that heads a column; longer ones have a letter
# Facts of a run, heading, decimals.
_FACTS = (
    ("kl", "KL, nats (last logged)", 2),
    ("generator_parameters", "parameters, generator", 0),
    ("discriminator_parameters", "parameters, discriminator", 0),
    ("step", "step", 0),
    ("seconds_a_step", "seconds a step", 3),
    ("seconds_an_epoch", "seconds an epoch", 1),
)


def text(document: Mapping[str, Any]) -> str:
    """Returns the `comparison.Comparison.document` as Markdown that is also plain."""
    arms = document["arms"]
    called = {arm["label"]: arm["label"] for arm in arms}
    legend = []
    if max(map(len, called)) > _WIDEST:
        called = {label: _letter(index) for index, label in enumerate(called)}
        legend = [f"- {letter}: {label}" for label, letter in called.items()]
    parts = [_head(document), *(["\n".join(legend)] if legend else [])]
    parts += [tables.markdown(*_table(document, called)), _notes(document)]
    parts.append("\n".join(sentences(document, called)))
    called |= {"input": "the input"}
    against = [f"- {_sentence(test, called)}" for test in document["tests_of_input"]]
    parts.append("\n".join(against))
    return "\n\n".join(part for part in parts if part) + "\n"


def _letter(index):
    return chr(ord("A") + index) if index < 26 else f"arm {index + 1}"


def _head(document):
    seeds = max(len(arm["runs"]) for arm in document["arms"])
    over = " ± standard deviation over seeds" if seeds > 1 else ""
    return (
        f"{document['images']} images, the {document['step']} step of each run; means "
        f"over images{over}; the best arm of each measure is **marked**."
    )


def _table(document, called):
    """Headings and rows: a row a measure, then what the runs cost."""
    arms = document["arms"]
    rows = []
    for key, given in document["input"].items():
        measure = images.MEASURES[key]
        cells = [_number(given, None, measure.decimals, key)]
        for arm in arms:
            own = arm["measures"][key]
            cell = _number(own["mean"], own["std"], measure.decimals, key)
            best = document["best"].get(key) == arm["label"]
            cells.append(f"**{cell}**" if best else cell)
        rows.append([measure.heading, *cells])
    for key, heading, decimals in _FACTS:
        values = [[run[key] for run in arm["runs"]] for arm in arms]
        if any(None not in own for own in values):
            cells = [_fact(own, decimals) for own in values]
            rows.append([heading, "", *cells])
    if any(len(arm["runs"]) > 1 for arm in arms):
        rows.append(["seeds", "", *(str(len(arm["runs"])) for arm in arms)])
    return ["", "input", *called.values()], rows


def _number(mean, deviation, decimals, key):
    if mean is None and key == "psnr":
        return "inf"
    return table.number(mean, deviation, decimals)


def _fact(values, decimals):
    if None in values:
        return "-"
    deviation = statistics.stdev(values) if len(values) > 1 and decimals else None
    mean = statistics.fmean(values)
    return f"{mean:,.0f}" if not decimals else table.number(mean, deviation, decimals)


def _notes(document):
    """What the table leaves out, and how the sentences below it were come by."""
    lines = []
    for key, count in document["measured_images"].items():
        if count < document["images"]:
            lines.append(
                f"{images.MEASURES[key].heading}: over the {count} of "
                f"{document['images']} images that have such pixels."
            )
    if document["unfinished"]:
        lines.append(f"Not finished, left out: {', '.join(document['unfinished'])}.")
    tests, against = len(document["tests"]), len(document["tests_of_input"])
    if tests + against:
        lines.append(
            f"Differences are paired over images: 95 % intervals by "
            f"{document['resamples']} bootstrap resamples, p by flipping signs, "
            f"adjusted by Holm for the {tests} tests between arms and, apart, for the "
            f"{against} against the input. They speak of these networks, not of what "
            "other seeds would give."
        )
    return "\n".join(lines)


def sentences(document: Mapping[str, Any], called: Mapping[str, str]) -> list[str]:
    """Returns a sentence for each test between arms, which are printed as `called`.

    A measure that could not be tested, since it is infinite for an image, has one too.
    """
    lines = [f"- {_sentence(test, called)}" for test in document["tests"]]
    tested = {test["measure"] for test in document["tests"]}
    for key, count in document["measured_images"].items():
        if key not in tested and count:
            heading = images.MEASURES[key].heading
            lines.append(f"- {heading}: not tested; it is infinite for an image.")
    return lines


def _sentence(test, called):
    measure = images.MEASURES[test["measure"]]
    better, worse = called[test["better"]], called[test["worse"]]
    between = f"95 % {test['low']:.3g} to {test['high']:.3g}"
    p = f"p = {test['p_holm']:.2g}"
    if not test["established"]:
        return (
            f"{measure.heading}: no difference is established between {better} and "
            f"{worse} ({test['difference']:.3g}, {between}, {p})."
        )
    how = "nearer to 1 than" if measure.best == 1 else "better than"
    seeds, pairs = "", test["seed_pairs"]
    if pairs > 1 and test["seeds_better"] == pairs:
        seeds = f"; all {pairs} pairs of seeds agree"
    elif pairs > 1:
        seeds = (
            f"; the seeds disagree: better in {test['seeds_better']} of {pairs} pairs"
        )
    return (
        f"{measure.heading}: {better} is {how} {worse} by {test['difference']:.3g} "
        f"({between}), {p}; better on {test['images_better']} of {test['images']} "
        f"images{seeds}."
    )
