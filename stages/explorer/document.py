"""The explorer: all explained images on one page that works offline and without a server."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from stages.drawing.grain import GRAINS
from stages.drawing.scale import FADED, FADED_ERRORS
from stages.explorer.live import WORKER, live_panel
from stages.explorer.measure_rows import measure_meanings, measure_values
from stages.explorer.packing import Packed, pack
from stages.figures import captions
from stages.figures.chosen_contrasts import confusion_counts
from stages.figures.run import Run
from stages.webpage.offline import base64_array, fill

PAGE = Path(__file__).parent / "page"
MOST_CLASSES = 20  # rows of the table of classes

MEANINGS = {
    "explain.additivity_error_log10": (
        "error of the sums relative to the outputs' range, as a power of ten: -7 is one in ten "
        "million; lower is better"
    ),
    "explain.additivity_l1_log10": (
        "error of the sums relative to the map's sum of |attribution|, as a power of ten; 32-bit "
        "numbers reach about -7; lower is better"
    ),
    "explain.top_class_agreement": (
        "share of the images whose largest sum belongs to the predicted class; values below 1 are "
        "not an error: a class can win with a smaller sum if its base value is larger"
    ),
}


def write_explorer(path: Path, run: Run) -> None:
    """Write the page, under 8 MB; if not all explained images fit, it states how many it holds."""
    content, start = page_content(run), PAGE / "explorer.js"
    others = set(PAGE.glob("*.js")) - {start, *WORKER}
    page = fill(
        PAGE / "explorer.html",
        PAGE / "explorer.css",
        {"content": content},
        [*sorted(others), start],
    )
    path.write_text(page, encoding="utf-8", errors="xmlcharrefreplace")  # lone surrogates


def page_content(run: Run) -> dict[str, Any]:
    """Everything that the page's scripts show, in JSON types."""
    explanation, predictions, scale = run.explanation, run.predictions, run.scale
    about, class_names = explanation.about, explanation.class_names
    live = live_panel(run)
    packed = pack(explanation, run.summary, run.page_downsampling_factor, live.n_bytes)
    counts = confusion_counts(predictions.labels, predictions.predicted, len(class_names))
    cells = np.argwhere(counts)
    return {
        "title": f"{about['dataset']}, {about['network']}",
        "names": [str(explanation.names[index]) for index in packed.chosen],
        "titles": [explanation.titles[index] for index in packed.chosen],
        "classNames": class_names,
        "unit": captions.UNITS[about["output"]],
        "downsamplingFactor": packed.downsampling_factor,
        "grain": max((g for g in GRAINS if g * packed.downsampling_factor <= run.grain), default=1),
        "limits": {
            grain: run.summary.limits[grain * packed.downsampling_factor if grain > 1 else 1]
            for grain in GRAINS
        },
        "fade": {"share": FADED, "errors": FADED_ERRORS, "on": run.fade},
        "warm": scale.warm,
        "cool": scale.cool,
        "size": packed.size,
        "cells": np.column_stack([cells, counts[tuple(cells.T)]]).tolist(),
        "classTable": _class_rows(run),
        "words": _sentences(run, packed),
        "runTables": _run_tables(run),
        "live": live.content,
        "arrays": {
            name: {"type": array.dtype.name, "base64": base64_array(array)}
            for name, array in {**packed.arrays, "colors": scale.table}.items()
        },
    }


def _class_rows(run: Run) -> list[list[float | None]]:
    """Rows of the table of classes, (class number, values): all, or those with the lowest F1."""
    table = run.class_table
    if len(table) > MOST_CLASSES:
        table = table.sort_values("f1", kind="stable")[:MOST_CLASSES]
    numbers = table.drop(columns="class").to_numpy(np.float64)
    return [
        [int(number), *(None if np.isnan(value) else float(value) for value in row)]
        for number, row in zip(table.index, numbers, strict=True)
    ]


def _sentences(run: Run, packed: Packed) -> dict[str, str]:
    """Notes on the images, the maps, their precision and the class table, by element id."""
    n_images, n_explained = packed.size["n"], len(run.explanation.labels)
    images = ""
    if n_images < n_explained:
        images = (
            f"{n_images:,} of {n_explained:,} explained images fit on this page: the most "
            "surprising mistakes, then right predictions in order."
        )
    return {
        "held": images,
        "map-words": " ".join(
            [
                captions.map_sentences(run, packed.downsampling_factor, grain=1),
                captions.choice_sentence(run),
            ]
        ),
        "exactness": (
            f"Values are rounded to ±{captions.number(packed.rounding[0])} "
            f"{captions.unit(run.explanation.about)} (contrasts: twice that; sums: that times the "
            f"number of pixels). {_error_sentence(run, packed)}"
        ),
        "by-class-note": _class_sentence(run),
    }


def _error_sentence(run: Run, packed: Packed) -> str:
    about = run.explanation.about
    if run.explanation.errors is None:
        return "No error bars: the attributions were not computed for groups of background images."
    averaged = (
        " For averaged pixels: an upper bound, the mean of the standard errors."
        if packed.downsampling_factor > 1
        else ""
    )
    return (
        "±: standard error over the background, estimated from "
        f"{about['n_groups']} groups of background images. For contrasts and sums: an upper bound, "
        f"the sum of the standard errors.{averaged} Standard errors are rounded to "
        f"±{captions.number(packed.rounding[1])}."
    )


def _class_sentence(run: Run) -> str:
    n_classes = len(run.class_names)
    choice = f"The {MOST_CLASSES} of {n_classes} classes with the lowest F1. "
    agreement = (
        "among the explained images predicted as the class, the share whose largest sum of "
        "attributions belongs to that class (– without such images)"
        if run.explanation.explains_all_classes
        else "unknown, since not all classes are explained"
    )
    return (
        f"{choice if n_classes > MOST_CLASSES else ''}Precision, recall and F1 are computed on "
        f"{len(run.predictions.labels):,} test images. Top-class agreement: {agreement}. Strength: "
        "sum of |attribution| over the pixels, averaged over the explained images that have a map "
        "of the class. Bold: the lowest precision, recall, F1 and top-class agreement."
    )


def _run_tables(run: Run) -> list[tuple[str, list[tuple[str, str, str]]]]:
    """Tables about the run: a title, and rows of name, value and meaning ("" for none)."""
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
    """Yield each value as text, with its keys joined by dots."""
    for key, value in nested.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{key}.")
        elif isinstance(value, str):
            yield f"{prefix}{key}", value
        else:
            text = f"{value:.6g}" if isinstance(value, float) else json.dumps(value)
            yield f"{prefix}{key}", text
