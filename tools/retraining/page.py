"""The page: one file, offline, without scripts."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from stages.webpage.offline import fill
from tools.compare.page import address, shape
from tools.retraining.findings import Findings
from tools.retraining.wording import COLUMNS, DEFINITIONS, METRICS, READINGS

PAGE = Path(__file__).parent / "page"
_COMPARE = Path(__file__).parents[1] / "compare" / "page"

_TEMPLATES = Environment(
    loader=FileSystemLoader([PAGE, _COMPARE]),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES.filters["address"] = address


def write_page(path: Path, findings: Findings, explorer: str) -> None:
    """Write the page; `explorer` is the address of the explorer with the switch."""
    body = _TEMPLATES.get_template("retraining.html.jinja").render(
        findings=findings,
        explorer=explorer,
        shape=shape(findings.size),
        COLUMNS=COLUMNS,
        DEFINITIONS=DEFINITIONS,
        READINGS=READINGS,
        METRICS=METRICS,
    )
    parts = {"title": findings.title, "body": body}
    page = fill(_COMPARE / "comparison.html", _COMPARE / "comparison.css", parts)
    path.write_text(page, encoding="utf-8")
