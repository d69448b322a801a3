"""Tables in Markdown."""

from tools.markdown import table

ROWS = [("name", "n", "why"), ("a", "1,000", "because"), ("longer", "7", "")]


def test_columns_are_aligned_from_the_left() -> None:
    assert table(ROWS, aligned=2).splitlines() == [
        "| name   | n     | why |",
        "| ------ | ----- | --- |",
        "| a      | 1,000 | because |",
        "| longer | 7     |  |",
    ]


def test_without_alignment_cells_stay_as_they_are() -> None:
    assert table([("n", ""), ("12345", "6")]) == "| n |  |\n| --- | --- |\n| 12345 | 6 |"


def test_a_rule_has_three_dashes_as_markdown_needs() -> None:
    assert table([("n",), ("1",)], aligned=1).splitlines()[1] == "| --- |"
