"""The comparison as a page: one file, offline, without scripts."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from stages.webpage.offline import base64_text, escape, fill
from tools.compare.findings import DEFINITIONS, METRICS, ON_PAGE, SIMILARITIES, Findings
from tools.compare.strips import HEADS, Strip

PAGE = Path(__file__).parent / "page"


def write_page(path: Path, findings: Findings) -> None:
    """Write the page; where there are too many images, it says how many it shows."""
    (painter, strips), (mean_painter, means) = findings.images, findings.classes
    n_images = len(findings.order)
    held = f"The {ON_PAGE} most changed of {n_images:,}. " if n_images > ON_PAGE else ""
    parts = {
        "title": escape(findings.title),
        "sentence": escape(findings.comparison.sentence),
        "differences": "".join(f"<li>{escape(d)}</li>" for d in findings.comparison.differences),
        "dots": findings.drawing,
        "similarity": _table(SIMILARITIES, findings.similarities),
        "definitions": escape(DEFINITIONS),
        "changed": escape(f"{held}{findings.changed} {findings.scale_words(painter)}"),
        "strips": "\n".join(
            _strip(strip, f' id="image-{image}"')
            for strip, image in zip(strips, findings.order, strict=False)
        ),
        "means_words": escape(findings.scale_words(mean_painter)),
        "means": "\n".join(map(_strip, means)),
        "metrics": _table(METRICS, findings.metric_rows),
    }
    page = fill(PAGE / "comparison.html", PAGE / "comparison.css", parts)
    path.write_text(page, encoding="utf-8")


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in heads)
    body = "\n".join(
        f'<tr><th scope="row">{escape(name)}</th>'
        + "".join(f"<td>{escape(cell)}</td>" for cell in cells)
        + "</tr>"
        for name, *cells in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _strip(strip: Strip, identity: str = "") -> str:
    """A strip as markup, its tiles as PNG."""
    figures = "".join(
        f'<figure><img alt="" src="data:image/png;base64,{base64_text(_png(tile))}">'
        f"<figcaption>{escape(head)}</figcaption></figure>"
        for head, tile in zip(HEADS, strip.tiles, strict=False)
    )
    return (
        f'<article{identity}><h3>{escape(strip.title)}</h3><p class="note">{escape(strip.note)}</p>'
        f'<div class="strip">{figures}</div></article>'
    )


def _png(colors: NDArray[np.uint8]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(colors).save(file, format="PNG")
    return file.getvalue()
