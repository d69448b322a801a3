"""The page: one file, offline, without scripts."""

from pathlib import Path

from jinja2 import FileSystemLoader

from stages.webpage.offline import fill
from tools.compare.page import shape
from tools.compare.templates import PAGE as COMPARE
from tools.compare.templates import TEMPLATES
from tools.retraining.findings import Findings
from tools.retraining.wording import DEFINITIONS, METRICS, READINGS

PAGE = Path(__file__).parent / "page"

_TEMPLATES = TEMPLATES.overlay(loader=FileSystemLoader([PAGE, COMPARE]))


def write_page(path: Path, findings: Findings, explorer: str) -> None:
    """Write the page; `explorer` is the address of the explorer with the switch."""
    body = _TEMPLATES.get_template("retraining.html.jinja").render(
        findings=findings,
        explorer=explorer,
        shape=shape(findings.size),
        DEFINITIONS=DEFINITIONS,
        READINGS=READINGS,
        METRICS=METRICS,
    )
    parts = {"title": findings.title, "body": body}
    page = fill(COMPARE / "comparison.html", COMPARE / "comparison.css", parts)
    path.write_text(page, encoding="utf-8")
