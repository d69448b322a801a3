"""The explorer: all explained images on one page that works offline and without a server."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from stages.drawing.scale import (
    DARKEST_GREY,
    FADED,
    FADED_ERRORS,
    LIGHT_GREY,
    MOST_OPAQUE,
    OPACITY_POWER,
    STRONG,
)
from stages.drawing.segments import INSTALL
from stages.explorer.live import WORKER, live_panel
from stages.explorer.measure_rows import measure_meanings, measure_values
from stages.explorer.packing import Packed, pack
from stages.explorer.shortcuts import shortcut_panel
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
    explanation, scale = run.explanation, run.scale
    about, class_names = explanation.about, explanation.class_names
    live, found = live_panel(run), shortcut_panel(run)
    packed = pack(explanation, run.summary, live.n_bytes + found.n_bytes)
    limits = {g: limit for g, limit in sorted(run.summary.limits.items()) if g >= packed.block}
    return {
        "title": f"{about['dataset']}, {about['network']}",
        "names": [str(explanation.names[index]) for index in packed.chosen],
        "titles": [explanation.titles[index] for index in packed.chosen],
        "classNames": class_names,
        "unit": captions.UNITS[about["output"]],
        **_kind(run),
        "block": packed.block,
        "grain": max((g for g in limits if g <= run.grain), default=packed.block),
        "limits": limits,
        "percentile": f"{run.summary.percentile:g}",
        "photos": _photos(run, packed),
        "fade": {"share": FADED, "errors": FADED_ERRORS, "on": run.fade},
        "warm": scale.warm,
        "cool": scale.cool,
        "size": packed.size,
        "classTable": _class_rows(run),
        "words": _sentences(run, packed),
        "runTables": _run_tables(run),
        "live": live.content,
        "shortcuts": found.on_page(packed.chosen),
        "arrays": {
            name: {"type": array.dtype.name, "base64": base64_array(array)}
            for name, array in {**packed.arrays, "colors": scale.table}.items()
        },
    }


def _kind(run: Run) -> dict[str, Any]:
    """What the page needs to know about the classes: test images by true and predicted class."""
    predictions = run.predictions
    if predictions.multiple:
        accuracy = predictions.metrics.get("accuracy", 0.0)
        return {"multiple": True, "nTest": len(predictions.labels), "accuracy": accuracy}
    n_classes = len(predictions.class_names)
    counts = confusion_counts(predictions.labels, predictions.predicted, n_classes)
    cells = np.argwhere(counts)
    content = {"cells": np.column_stack([cells, counts[tuple(cells.T)]]).tolist()}
    return {**content, "oneLogit": True} if run.explanation.one_logit else content


def _photos(run: Run, packed: Packed) -> dict[str, Any] | None:
    """Photographs, their segments and how maps cover them; None for small images."""
    if packed.photos is None:
        return None
    sums = np.abs(packed.photos.arrays.get("segmentSums", np.zeros(0)))
    limit = float(np.percentile(sums[sums > 0], run.summary.percentile)) if sums.any() else 1.0
    return {
        "images": packed.photos.photos,
        "background": packed.photos.background,
        "segments": packed.photos.segment_images,
        "nSegments": packed.photos.n_segments,
        "segmentLimit": limit,
        "cover": {
            "strong": STRONG,
            "opacity": MOST_OPAQUE,
            "power": OPACITY_POWER,
            "darkest": DARKEST_GREY,
            "bar": LIGHT_GREY,
        },
    }


def _class_rows(run: Run) -> list[list[float | None]]:
    """Rows of the table of classes, (class number, values): all, or of many the lowest F1."""
    table = run.class_table
    if len(table) > MOST_CLASSES:
        tested = table[table["images"] > 0]
        table = tested.sort_values("f1", kind="stable")[:MOST_CLASSES]
    unknown = ["top_class_agreement"] if run.explanation.multiple else []
    numbers = table.drop(columns=["class", *unknown]).to_numpy(np.float64)
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
                captions.map_sentences(run, grain=None if run.is_fine else 1),
                captions.explained_sentence(run) if run.is_fine else captions.choice_sentence(run),
                *_photo_sentences(packed),
            ]
        ).strip(),
        "exactness": (
            f"Values are rounded to ±{captions.number(packed.rounding[0])} "
            f"{captions.unit(run.explanation.about, packed.block)} (contrasts: twice that; sums: "
            f"that times the number of {'pixels' if packed.block == 1 else 'blocks'}). "
            f"{_error_sentence(run, packed)}"
        ),
        "by-class-note": _class_sentence(run),
    }


def _photo_sentences(packed: Packed) -> list[str]:
    """Notes on compressed photographs and on segments."""
    if packed.photos is None:
        return []
    compressed = "The photographs are compressed (WebP); the network saw them as they were."
    if packed.photos.segments:
        return [compressed, "Segments are regions of similar colour (SLIC); their sums are exact."]
    return [compressed, f"For sums over segments, install scikit-image: {INSTALL}"]


def _error_sentence(run: Run, packed: Packed) -> str:
    about = run.explanation.about
    if run.explanation.errors is None:
        return "No error bars: the attributions were not computed for groups of background images."
    return (
        "±: standard error over the background, estimated from "
        f"{about['n_groups']} groups of background images. For contrasts and sums: an upper bound, "
        f"the sum of the standard errors. Standard errors are rounded to "
        f"±{captions.number(packed.rounding[1])}."
    )


def _class_sentence(run: Run) -> str:
    n_classes = len(run.class_names)
    n_test, n_tested = len(run.predictions.labels), int((run.class_table["images"] > 0).sum())
    n_rows = min(MOST_CLASSES, n_tested)
    if run.explanation.multiple:
        which = f"The {n_rows} of {n_classes:,} labels with the lowest F1. "
        return (
            f"{which if n_classes > MOST_CLASSES else ''}All scores are computed on {n_test:,} "
            "test images; – if no image has the label. Average precision and AUROC judge the order "
            "of the images by probability, the others the predictions (probability above 0.5). "
            f"{_strength_sentence('label')} Bold: the lowest of each column."
        )
    choice = f"The {n_rows} of {n_classes:,} classes with the lowest F1. "
    agreement = (
        "among the explained images predicted as the class, the share whose largest sum of "
        "attributions belongs to that class (– without such images)"
        if run.explanation.explains_all_classes
        else "unknown, since not all classes are explained"
    )
    return (
        f"{choice if n_classes > MOST_CLASSES else ''}Precision, recall and F1 are computed on "
        f"{n_test:,} test images. Top-class agreement: {agreement}. {_strength_sentence('class')} "
        "Bold: the lowest precision, recall, F1 and top-class agreement."
    )


def _strength_sentence(what: str) -> str:
    return (
        "Strength: sum of |attribution| over the pixels, averaged over the explained images that "
        f"have a map of the {what}."
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
