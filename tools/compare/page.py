"""The comparison as a page: one file, offline, without scripts."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from stages.drawing.grain import is_fine
from stages.drawing.photographs import is_tall, is_wide
from stages.webpage.offline import fill, image_address
from tools.compare.findings import DEFINITIONS, METRICS, SIMILARITIES, Findings
from tools.compare.templates import PAGE, TEMPLATES

QUALITY = 80  # of WebP, 0 to 100


def write_page(path: Path, findings: Findings) -> None:
    """Write the page with the `ON_PAGE` most changed images."""
    body = TEMPLATES.get_template("body.html.jinja").render(
        findings=findings,
        n_images=len(findings.order),
        DEFINITIONS=DEFINITIONS,
        METRICS=METRICS,
        n_shown=len(findings.chosen),
        shape=shape(findings.size),
        SIMILARITIES=SIMILARITIES,
    )
    parts = {"title": findings.title, "body": body}
    page = fill(PAGE / "comparison.html", PAGE / "comparison.css", parts)
    path.write_text(page, encoding="utf-8")


def shape(size: tuple[int, int]) -> str:
    """CSS classes of thumbnails of images of this height and width."""
    if not is_fine(size):
        return ""
    return f"photographs{' wide' if is_wide(size) else ' tall' if is_tall(size) else ''}"


def address(colors: NDArray[np.uint8]) -> str:
    """A `data:` address of the picture (h, w, 3), compressed if it is large."""
    picture = Image.fromarray(colors)
    if is_fine(colors.shape[:2]):
        return image_address(picture, "WebP", quality=QUALITY)
    return image_address(picture)


TEMPLATES.filters["address"] = address
