from jaxrestore import tables


def test_latex_has_booktabs_rules_and_no_bare_special_character():
    text = tables.latex(["arm", "b_c"], [["50% & {a}", "1.0 ± 0.1"], ["x\\y~^<", "-"]])
    assert text.splitlines()[1:] == [
        r"\begin{tabular}{lr}",
        r"\toprule",
        r"arm & b\_c \\",
        r"\midrule",
        r"50\% \& \{a\} & 1.0 $\pm$ 0.1 \\",
        r"x\textbackslash{}y\textasciitilde{}\textasciicircum{}\textless{} & - \\",
        r"\bottomrule",
        r"\end{tabular}",
    ]


def test_a_bar_in_a_cell_does_not_break_a_markdown_row():
    lines = tables.markdown(["a|b"], [["1"]]).splitlines()
    assert lines[0] == r"| a\|b |"


def test_columns_are_as_wide_as_their_widest_cell():
    text = tables.aligned(["name", "dB"], [["a longer one", "1"], ["b", "22.5"]])
    assert text.splitlines() == [
        "name          dB",
        "a longer one  1",
        "b             22.5",
    ]
    text = tables.markdown(["name", "dB"], [["a longer one", "1"], ["b", "22.5"]])
    assert text.splitlines() == [
        "| name         | dB   |",
        "| ------------ | ---- |",
        "| a longer one | 1    |",
        "| b            | 22.5 |",
    ]


def test_one_thing_is_no_plural():
    told = [tables.counted(count, "pair") for count in (0, 1, 2)]
    assert told == ["0 pairs", "1 pair", "2 pairs"]
