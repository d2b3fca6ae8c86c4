"""Tables as text: aligned for a terminal, Markdown, LaTeX. Cells are text."""

from collections.abc import Sequence

Headings = Sequence[str]
Rows = Sequence[Sequence[str]]


def aligned(headings: Headings, rows: Rows) -> str:
    """Returns columns as wide as their widest cell, two spaces between them."""
    return "\n".join(
        "  ".join(cells).rstrip() for cells in _widened([[*headings], *rows])
    )


def markdown(headings: Headings, rows: Rows) -> str:
    """Returns a Markdown table, aligned as text too; a bar within a cell is escaped."""
    lines = [[cell.replace("|", "\\|") for cell in row] for row in (headings, *rows)]
    heading, *body = _widened(lines)
    rule = ["-" * len(cell) for cell in heading]
    return "\n".join(f"| {' | '.join(line)} |" for line in (heading, rule, *body))


def latex(headings: Headings, rows: Rows) -> str:
    r"""Returns a `tabular` of the package booktabs; numbers stand to the right."""
    heading, *body = (
        " & ".join(map(escaped, line)) + r" \\" for line in (headings, *rows)
    )
    return "\n".join(
        [
            r"% needs \usepackage{booktabs}",
            rf"\begin{{tabular}}{{l{'r' * (len(headings) - 1)}}}",
            r"\toprule",
            heading,
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
        ]
    )


def counted(count: int, thing: str) -> str:
    """Returns how many of a thing there are, such as `1 pair` or `2 pairs`."""
    return f"{count} {thing}{'' if count == 1 else 's'}"


def escaped(text: str) -> str:
    """Returns text that LaTeX prints as it stands."""
    special = {letter: f"\\{letter}" for letter in "&%$#_{}"}
    special |= {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "±": r"$\pm$",
    }
    return "".join(special.get(letter, letter) for letter in text)


def _widened(lines):
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        [cell.ljust(width) for cell, width in zip(line, widths, strict=True)]
        for line in lines
    ]
