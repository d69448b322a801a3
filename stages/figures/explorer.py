"""The explorer: all explained images on one page that needs neither a network nor a server."""

import base64
import hashlib
import html
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from stages.artifacts.explanation import Explanation
from stages.figures import captions
from stages.figures.run import Run
from stages.figures.scale import Scale
from stages.figures.tiles import average
from stages.summary.classes import shown_classes
from stages.summary.contrasts import confusion_counts
from stages.summary.metrics import explanation_metrics
from stages.summary.totals import Summary

PAGE = Path(__file__).parent / "page"
SCRIPTS = ("run.js", "gallery.js", "detail.js", "confusion.js", "explorer.js")
PACKED_BYTES = 7_000_000  # of the images and maps, as text; the whole page stays under 8 MB
MOST_IMAGES = 1000  # so that the gallery stays quick
SIDE = 64  # pixels; larger images are averaged down to at most this
MOST_NUMBERS = 20  # under one heading of the metrics, such as the classes
STEPS = 2**15 - 1  # of 16 signed bits


def write_explorer(path: Path, run: Run) -> None:
    """Write the page, under 8 MB: where not all explained images fit, it says how many it holds."""
    explanation, summary, scale = run.explanation, run.summary, run.scale
    about, predictions = explanation.about, run.predictions
    counts = confusion_counts(predictions.labels, predictions.classes, len(explanation.class_names))
    packed = pack(explanation, summary)
    cells = np.argwhere(counts)
    content = {
        "title": f"{about['dataset']}, {about['network']}",
        "classNames": explanation.class_names,
        "unit": captions.UNITS[explanation.about["output"]],
        "limit": scale.limit,
        "warm": scale.warm,
        "cool": scale.cool,
        "size": packed.size,
        "nExplained": len(explanation.labels),
        "cells": np.column_stack([cells, counts[tuple(cells.T)]]).tolist(),
        "words": _words(explanation, scale, packed),
        "facts": _facts(run),
        "arrays": {
            name: {"type": array.dtype.name, "base64": _base64(array)}
            for name, array in {**packed.arrays, "colors": scale.table}.items()
        },
    }
    path.write_text(fill(content), encoding="utf-8")


@dataclass(frozen=True)
class Packed:
    """Explained images in as few bytes as they need. n images held, m maps of each.

    Attributes:
        arrays: `images` (n, c, h, w) uint8; `maps` (n, m, h, w) int16, times `steps` (n, m) float32
            an attribution; `shown` (n, m), the class of each map; `probabilities` (n, k), `sums`
            (n, k), `baseValues` (k,) float32; `labels` and `indices` (n,).
        size: The lengths n, c, h, w, m.
        block: Side in pixels of the squares that were averaged, 1 for none.
        error: Largest distance of an unpacked attribution from the packed one, output units.
    """

    arrays: Mapping[str, NDArray[Any]]
    size: Mapping[str, int]
    block: int
    error: float


def pack(explanation: Explanation, summary: Summary) -> Packed:
    """Choose the images that fit and reduce their maps to 16 bits, each map with its own step."""
    block = -(-max(explanation.images.shape[2:]) // SIDE)
    shown = shown_classes(explanation.probabilities, explanation.labels)
    first = average(explanation.images[:1], block)
    _, channels, height, width = first.shape
    n_classes, n_maps = explanation.probabilities.shape[1], shown.shape[1]
    bytes_each = height * width * (channels + 2 * n_maps) + 4 * (2 * n_maps + 2 * n_classes + 2)
    room = max(1, PACKED_BYTES * 3 // 4 // bytes_each)
    held = _held(explanation, min(room, MOST_IMAGES))
    maps = np.empty((len(held), n_maps, height, width), np.int16)
    steps = np.empty((len(held), n_maps), np.float32)
    error = 0.0
    images = tqdm(held, desc="pack the explorer", unit="image", leave=False, delay=1, disable=None)
    for place, image in enumerate(images):
        values = explanation.values[image].sum(axis=0, dtype=np.float64)[..., shown[image]]
        exact = average(values.transpose(2, 0, 1), block)
        steps[place] = np.abs(exact).max(axis=(1, 2)) / STEPS
        step = np.where(steps[place] > 0, steps[place], 1).astype(np.float64)[:, None, None]
        maps[place] = np.clip(np.rint(exact / step), -STEPS, STEPS)
        error = max(error, float(np.abs(exact - maps[place] * step).max()))
    arrays: dict[str, NDArray[Any]] = {
        "images": average(explanation.images[held], block),
        "maps": maps,
        "steps": steps,
        "shown": shown[held].astype(np.int32),
        "probabilities": explanation.probabilities[held].astype(np.float32),
        "sums": summary.sums[held].astype(np.float32),
        "baseValues": explanation.base_values.astype(np.float32),
        "labels": explanation.labels[held].astype(np.int32),
        "indices": explanation.indices[held].astype(np.int32),
    }
    size = {"n": len(held), "c": channels, "h": height, "w": width, "m": n_maps, "k": n_classes}
    return Packed(arrays, size, block, error)


def _held(explanation: Explanation, room: int) -> NDArray[np.int64]:
    """All images in order; where there is no room for all, the most surprising mistakes first."""
    of_true = np.take_along_axis(explanation.probabilities, explanation.labels[:, None], axis=1)
    right = explanation.predictions == explanation.labels
    order = np.lexsort((np.where(right, 0, of_true[:, 0]), right))  # stable, by the last key first
    return np.sort(order[:room])


def _words(explanation: Explanation, scale: Scale, packed: Packed) -> dict[str, str]:
    """Say on the page what it shows and how exactly."""
    about, n_explained = explanation.about, len(explanation.labels)
    held = f"All {n_explained:,} explained images."
    if packed.size["n"] < n_explained:
        held = (
            f"{packed.size['n']:,} of {n_explained:,} explained images fit on this page: the "
            "mistakes, most surprising first, then others in order."
        )
    per_pixel = captions.unit(about)
    return {
        "held": held,
        "map": " ".join(
            [
                captions.map_words(about, scale, packed.size["c"], packed.block),
                captions.scale_words(scale.limit, n_explained),
                captions.choice_words(packed.size["k"], packed.size["m"]),
            ]
        ),
        "exactness": (
            f"Maps are packed in 16 bits: a value read here is at most "
            f"{captions.number(packed.error)} {per_pixel} off, a contrast of two twice as much."
        ),
    }


def _facts(run: Run) -> list[tuple[str, list[tuple[str, str]]]]:
    """List what the run was: tables of a title and rows of two texts."""
    explanation = run.explanation
    about = explanation.about
    made = {
        "data set": about["dataset"],
        "network": about["network"],
        "method": about["method"],
        "explained": f"{about['output']} of {len(explanation.labels):,} test images",
        "background": f"{about['n_background']:,} training images, {about['background']} draw",
    }
    metrics = {
        "evaluate": run.predictions.metrics,
        "explain": explanation_metrics(explanation, run.summary),
    }
    parameters = {**about["parameters"], "report": {"colormap": run.colormap}}
    sections = {
        "Run": made,
        "Versions": about["versions"],
        "Parameters": parameters,
        "Metrics": metrics,
    }
    return [(title, list(_flat(section))) for title, section in sections.items()]


def _flat(nested: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in nested.items():
        if isinstance(value, Mapping) and len(value) > MOST_NUMBERS:
            yield f"{prefix}{key}", f"{len(value)} numbers, in the metrics file"
        elif isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        elif isinstance(value, str):
            yield f"{prefix}{key}", value
        else:
            text = f"{value:.6g}" if isinstance(value, float) else json.dumps(value)
            yield f"{prefix}{key}", text


def _base64(array: NDArray[Any]) -> str:
    little = array.astype(array.dtype.newbyteorder("<"))
    return base64.b64encode(little.tobytes()).decode("ascii")


def fill(run: Mapping[str, Any]) -> str:
    """Put the run's data, the style and the scripts into the page.

    The page's own rules let nothing run but these scripts and nothing be fetched. Data arrives as
    JSON in which no character can end or open a tag.
    """
    data = json.dumps(run, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        data = data.replace(character, f"\\u{ord(character):04x}")
    style = _read("explorer.css")
    scripts = [_read(name) for name in SCRIPTS]
    rules = (
        f"default-src 'none'; base-uri 'none'; form-action 'none'; img-src data:; "
        f"style-src {_digest(style)}; script-src {' '.join(map(_digest, scripts))}"
    )
    parts = {
        "rules": rules,
        "title": html.escape(run["title"]).encode("ascii", "xmlcharrefreplace").decode("ascii"),
        "style": style,
        "data": data,
        "scripts": "\n".join(f"<script>{script}</script>" for script in scripts),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], _read("explorer.html"))


def _read(name: str) -> str:
    return (PAGE / name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"
