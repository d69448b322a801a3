"""The comparison as a page: one file, offline, without scripts."""

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from stages.webpage.offline import base64_text, escape, fill
from tools.compare.findings import DEFINITIONS, METRICS, ON_PAGE, SIMILARITIES, Findings
from tools.compare.templates import PAGE, TEMPLATES


def write_page(path: Path, findings: Findings) -> None:
    """Write the page with the `ON_PAGE` most changed images."""
    body = TEMPLATES.get_template("body.html.jinja").render(
        findings=findings,
        n_images=len(findings.order),
        DEFINITIONS=DEFINITIONS,
        METRICS=METRICS,
        ON_PAGE=ON_PAGE,
        SIMILARITIES=SIMILARITIES,
    )
    parts = {"title": escape(findings.title), "body": body}
    page = fill(PAGE / "comparison.html", PAGE / "comparison.css", parts)
    path.write_text(page, encoding="utf-8")


def _png(colors: NDArray[np.uint8]) -> str:
    """A `data:` address of the picture (h, w, 3)."""
    file = io.BytesIO()
    Image.fromarray(colors).save(file, format="PNG")
    return f"data:image/png;base64,{base64_text(file.getvalue())}"


TEMPLATES.filters["png"] = _png
