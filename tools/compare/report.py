"""The report in Markdown, with its pictures in the same folder."""

from collections.abc import Sequence
from pathlib import Path

from tools.compare.findings import DEFINITIONS, METRICS, SIMILARITIES, Findings
from tools.compare.pictures import draw_strips, save_drawing
from tools.markdown import table as markdown_table

IN_PICTURE = 8  # images, the most changed first


def write_report(folder: Path, findings: Findings) -> None:
    """Write `report.md` and its pictures."""
    save_drawing(folder / "similarity.png", findings.drawing)
    explained = findings.comparison.pairs.old.explanation
    (painter, strips), (means_painter, means) = findings.images, findings.classes
    caption = f"{findings.scale_sentence(painter)} {DEFINITIONS}"
    board = draw_strips("The most changed", caption, painter, strips[:IN_PICTURE], explained)
    board.save(folder / "most_changed.png")
    board = draw_strips("Class means", findings.means_sentence, means_painter, means, explained)
    board.save(folder / "class_means.png")
    (folder / "report.md").write_text(markdown(findings), encoding="utf-8")


def markdown(findings: Findings) -> str:
    """The report; each picture has a line of its own, which the workflow edits."""
    parts = [
        f"# {plain(findings.title)}",
        f"**{plain(findings.comparison.sentence)}**",
        "\n".join(f"- {plain(line)}" for line in findings.comparison.differences),
        "\n".join(f"- {plain(line)}" for line in findings.comparison.shortcuts),
        table(SIMILARITIES, findings.similarities),
        plain(f"{findings.changed} {DEFINITIONS}"),
        "![Every image as a dot, by its similarity](similarity.png)",
        "![The most changed images](most_changed.png)",
        "![Class means](class_means.png)",
        table(METRICS, findings.metric_rows),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def plain(text: str) -> str:
    """The text with Markdown's special characters escaped."""
    return "".join(f"\\{letter}" if letter in "\\`*_[]<>|#~" else letter for letter in text)


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown; cells of rows are escaped."""
    return markdown_table([heads, *([plain(cell) for cell in row] for row in rows)])
