"""The scores of a perceptual study as plain text."""

from collections.abc import Mapping
from typing import Any

from jaxrestore import tables


def text(result: Mapping[str, Any]) -> str:
    """Returns what `scores.score` found, as tables and sentences."""
    parts = [_raters(result)]
    if result["kind"] == "real":
        parts.append(_rates(result["rates"]))
    else:
        parts += [_scores(result["bradley_terry"]), _wins(result["wins"])]
    return "\n\n".join([*parts, _agreement(result["agreement"]), _metrics(result)])


def _raters(result: Mapping[str, Any]) -> str:
    raters = result["raters"]
    lines = [
        f"{result['answers']} answers by {len(raters['counted'])} raters to "
        f"{result['questions']} questions, {raters['median_seconds']:.1f} s each "
        "(median); catch questions not counted"
    ]
    lines += [f"not counted: {n} {why}" for n, why in raters["excluded"].items()]
    if raters["excluded"]:
        lines.append(f"(counted are those with {raters['least_caught']:.0%} right)")
    return "\n".join(lines)


def _rates(rates: Mapping[str, Any]) -> str:
    order = sorted(rates, key=lambda name: -rates[name]["rate"])
    rows = [
        [
            name,
            f"{rates[name]['rate']:.1%}",
            f"{rates[name]['low']:.1%} to {rates[name]['high']:.1%}",
            f"{rates[name]['chosen']} of {rates[name]['shown']}",
        ]
        for name in order
    ]
    note = "taken for real; 50 % cannot be told from real; intervals: Wilson, 95 %"
    return tables.aligned(["method", "rate", "interval", "times"], rows) + f"\n{note}"


def _scores(found: Mapping[str, Any]) -> str:
    scores = found["scores"]
    order = sorted(scores, key=lambda name: -scores[name]["score"])
    between = lambda part: f"{part['low']:+.2f} to {part['high']:+.2f}" if part else "-"
    rows = [
        [
            name,
            f"{scores[name]['score']:+.2f}",
            between(scores[name]),
            between(scores[name]["over_raters"]),
        ]
        for name in order
    ]
    headings = ["method", "score", "interval", "interval over raters"]
    note = (
        "Bradley-Terry log-strengths, sum zero; intervals: 95 %, if answers are "
        "independent, and if raters differ (with ten or more of them)"
    )
    if found["regularised"]:
        note += (
            "\nsome won or lost everything: half a win was added each way to every "
            "compared pair, without which the scores would be infinite"
        )
    return tables.aligned(headings, rows) + f"\n{note}"


def _wins(wins: Mapping[str, Mapping[str, int]]) -> str:
    rows = [
        [n, *(str(row.get(other, "-")) for other in wins)] for n, row in wins.items()
    ]
    return tables.aligned(["preferred to", *wins], rows)


def _agreement(found: Mapping[str, float | None]) -> str:
    if found["pairwise"] is None:
        return "agreement: no question has two answers"
    kappa = "not defined" if found["kappa"] is None else f"{found['kappa']:.2f}"
    return (
        f"agreement: two raters give one question the same answer in "
        f"{found['pairwise']:.1%} of cases, by chance {found['chance']:.1%}; Fleiss' "
        f"kappa {kappa}"
    )


def _metrics(result: Mapping[str, Any]) -> str:
    rows = []
    for name, row in result["metrics"].items():
        cells = [name, "-" if row["spearman"] is None else f"{row['spearman']:+.2f}"]
        if share := row.get("agreement"):
            cells.append(
                f"{share['rate']:.1%} ({share['low']:.1%} to {share['high']:.1%})"
            )
        elif "agreement" in row:
            cells.append("-")
        rows.append(cells)
    headings = ["metric", "rank correlation"]
    note = "rank correlation: Spearman's, of the means of the methods with the scores"
    if result["kind"] == "2afc":
        headings.append("answers for what it prefers")
        note += "; 50 % of answers would be chance"
    return tables.aligned(headings, rows) + f"\n{note}"
