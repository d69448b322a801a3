"""The explorer: all explained images on one page that needs neither a network nor a server."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.drawing.grain import GRAINS
from stages.drawing.scale import FADED, FADED_ERRORS
from stages.explorer.live import WORKER, live_panel
from stages.explorer.measure_rows import measure_meanings, measure_values
from stages.explorer.packing import Packed, pack
from stages.figures import captions
from stages.figures.chosen_contrasts import confusion_counts
from stages.figures.run import Run
from stages.webpage.offline import base64_text, escape, fill

PAGE = Path(__file__).parent / "page"
MOST_CLASSES = 20  # in the table of classes

MEANINGS = {
    "explain.additivity_error_log10": (
        "error of the sums as a share of the outputs' range, as a power of ten: -7 is one in ten "
        "million; lower is better"
    ),
    "explain.additivity_l1_log10": (
        "error of the sums as a share of the map's own sum of |attribution|, as a power of ten; "
        "32-bit numbers reach about -7; lower is better"
    ),
    "explain.top_class_agreement": (
        "share of the images whose largest sum is the predicted class's; below 1 is no error: a "
        "class can win with a smaller sum because its base value is larger"
    ),
}


def write_explorer(path: Path, run: Run) -> None:
    """Write the page, under 8 MB: where not all explained images fit, it says how many it holds."""
    content, start = page_content(run), PAGE / "explorer.js"
    others = set(PAGE.glob("*.js")) - {start, *WORKER}
    page = fill(
        PAGE / "explorer.html",
        PAGE / "explorer.css",
        {"title": escape(content["title"]), "data": _json(content)},
        [*sorted(others), start],
    )
    path.write_text(page, encoding="utf-8")


def page_content(run: Run) -> dict[str, Any]:
    """What the page's scripts show, as JSON takes it."""
    explanation, predictions, scale = run.explanation, run.predictions, run.scale
    about, class_names = explanation.about, explanation.class_names
    live = live_panel(run)
    packed = pack(explanation, run.summary, run.page_downsampling_factor, live.n_bytes)
    counts = confusion_counts(predictions.labels, predictions.predicted, len(class_names))
    cells = np.argwhere(counts)
    return {
        "title": f"{about['dataset']}, {about['network']}",
        "names": [str(explanation.names[image]) for image in packed.chosen],
        "titles": [explanation.titles[image] for image in packed.chosen],
        "classNames": class_names,
        "unit": captions.UNITS[about["output"]],
        "block": packed.block,
        "grain": max((g for g in GRAINS if g * packed.block <= run.grain), default=1),
        "limits": {
            grain: run.summary.limits[grain * packed.block if grain > 1 else 1] for grain in GRAINS
        },
        "fade": {"share": FADED, "errors": FADED_ERRORS, "on": run.fade},
        "warm": scale.warm,
        "cool": scale.cool,
        "size": packed.size,
        "cells": np.column_stack([cells, counts[tuple(cells.T)]]).tolist(),
        "classTable": _class_rows(run),
        "words": _sentences(run, packed),
        "facts": _facts(run),
        "live": live.content,
        "arrays": {
            name: {"type": array.dtype.name, "base64": _base64(array)}
            for name, array in {**packed.arrays, "colors": scale.table}.items()
        },
    }


def _class_rows(run: Run) -> list[list[float | None]]:
    """The table of classes, each by its number: all of them, or those of the lowest F1."""
    table = run.class_table
    if len(table) > MOST_CLASSES:
        table = table.sort_values("f1", kind="stable")[:MOST_CLASSES]
    numbers = table.drop(columns="class").to_numpy(np.float64)
    return [
        [int(number), *(None if np.isnan(value) else float(value) for value in row)]
        for number, row in zip(table.index, numbers, strict=True)
    ]


def _sentences(run: Run, packed: Packed) -> dict[str, str]:
    """What the page says of its images, its maps and their exactness, and its table of classes.

    By the id of the element that shows it.
    """
    n_images, n_explained = packed.size["n"], len(run.explanation.labels)
    images = ""
    if n_images < n_explained:
        images = (
            f"{n_images:,} of {n_explained:,} explained images fit on this page: the mistakes, "
            "most surprising first, then others in order."
        )
    return {
        "held": images,
        "map-words": " ".join(
            [
                captions.map_sentences(run, packed.block, grain=1),
                captions.choice_sentence(run),
            ]
        ),
        "exactness": (
            f"Values are rounded to ±{captions.number(packed.rounding[0])} "
            f"{captions.unit(run.explanation.about)} (contrasts: twice that; sums: that for each "
            f"pixel). {_error_sentence(run, packed)}"
        ),
        "by-class-note": _class_sentence(run),
    }


def _error_sentence(run: Run, packed: Packed) -> str:
    about = run.explanation.about
    if run.explanation.errors is None:
        return "No error bars: the attributions were not computed by groups of the background."
    averaged = ", of averaged pixels at most their mean" if packed.block > 1 else ""
    return (
        f"±: standard error over the background, from {about['n_groups']} groups of it; of a "
        f"contrast or a sum at most the sum of its parts{averaged}. Standard errors are rounded to "
        f"±{captions.number(packed.rounding[1])}."
    )


def _class_sentence(run: Run) -> str:
    n_classes = len(run.class_names)
    choice = f"The {MOST_CLASSES} of {n_classes} classes with the lowest F1. "
    agreement = (
        "of the explained images that are predicted as the class, the share whose largest summed "
        "attribution is that class's (– if there are none)"
        if run.explanation.explains_all_classes
        else "unknown, since not all classes are explained"
    )
    return (
        f"{choice if n_classes > MOST_CLASSES else ''}Precision, recall and F1 are of the "
        f"{len(run.predictions.labels):,} test images. Top-class agreement: {agreement}. Strength: "
        "sum of |attribution| over the pixels, mean over the explained images that have a map of "
        "the class. Bold: the lowest precision, recall, F1 and top-class agreement."
    )


def _facts(run: Run) -> list[tuple[str, list[tuple[str, str, str]]]]:
    """What the run was: titles, and rows of a name, a value and what it means ("" if unsaid)."""
    about = run.explanation.about
    meanings = MEANINGS | measure_meanings(run.measures)
    explain = {**run.metrics, **measure_values(run.measures)}
    tables: dict[str, Mapping[str, Any]] = {
        "Run": {
            "data set": about["dataset"],
            "network": about["network"],
            "method": captions.method(about),
            "explained": f"{about['output']} of {len(run.explanation.labels):,} test images",
            "background": f"{about['n_background']:,} training images, {about['background']} draw",
        },
        "Metrics": {"evaluate": run.predictions.metrics, "explain": explain},
        "Versions": about["versions"],
        "Parameters": {
            **about["parameters"],
            "report": {"colormap": run.colormap, "fade": run.fade, "grain": run.grain},
        },
    }
    return [
        (title, [(name, value, meanings.get(name, "")) for name, value in flat(table)])
        for title, table in tables.items()
    ]


def flat(nested: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Each value as text, with the keys that lead to it joined by dots."""
    for key, value in nested.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{key}.")
        elif isinstance(value, str):
            yield f"{prefix}{key}", value
        else:
            text = f"{value:.6g}" if isinstance(value, float) else json.dumps(value)
            yield f"{prefix}{key}", text


def _base64(array: NDArray[Any]) -> str:
    return base64_text(array.astype(array.dtype.newbyteorder("<")).tobytes())


def _json(content: Mapping[str, Any]) -> str:
    """JSON in which no character can end or open a tag."""
    data = json.dumps(content, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        data = data.replace(character, f"\\u{ord(character):04x}")
    return data
