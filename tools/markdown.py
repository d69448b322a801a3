"""Tables in Markdown."""

from collections.abc import Sequence


def table(rows: Sequence[Sequence[str]], aligned: int = 0) -> str:
    """A table whose first row is its head.

    Args:
        rows: Cells, in Markdown.
        aligned: How many columns, from the left, are padded to be read as text.
    """
    widths = [
        max(map(len, column)) if number < aligned else 0
        for number, column in enumerate(zip(*rows, strict=True))
    ]
    heads, *others = rows
    lines = [heads, ["-" * max(width, 3) for width in widths], *others]
    return "\n".join(
        f"| {' | '.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))} |"
        for line in lines
    )
