"""The report in Markdown, with its picture in the same folder."""

from pathlib import Path

from tools.compare.pictures import draw_strips
from tools.compare.report import plain, table
from tools.retraining.findings import Findings
from tools.retraining.wording import DEFINITIONS, METRICS, READINGS

IN_PICTURE = 8  # images, the least stable of each class
STABILITY = ("image", "similarity of any two trainings")
LISTED = 3  # images of each class


def write_report(folder: Path, findings: Findings) -> None:
    """Write `report.md` and its picture."""
    strips = [strips[0][1] for _, strips in findings.sections][:IN_PICTURE]
    caption = f"{findings.scale_sentence} {findings.columns_sentence}"
    explained = findings.results.sample.explanation
    title = "The least stable image of each class"
    draw_strips(title, caption, findings.painter, strips, explained).save(
        folder / "least_stable.png"
    )
    (folder / "report.md").write_text(markdown(findings), encoding="utf-8")


def markdown(findings: Findings) -> str:
    """The report."""
    stable = [
        [strip.title, strip.note]
        for _, strips in findings.sections
        for _, strip, _ in strips[:LISTED]
    ]
    parts = [
        f"# {plain(findings.title)}",
        f"**{plain(findings.sentence)}**",
        "\n".join(f"- {plain(line)}" for line in findings.facts),
        table(METRICS, findings.metric_rows),
        plain(DEFINITIONS),
        table(findings.pair_heads, findings.pair_rows),
        plain(findings.readings_sentence),
        table(READINGS, findings.reading_rows) if findings.reading_rows else "",
        "![The least stable image of each class](least_stable.png)",
        table(STABILITY, stable),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"
