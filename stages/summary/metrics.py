"""Numbers that say how an explanation turned out: `metrics/explain.json`."""

import numpy as np
from numpy.typing import NDArray

from stages.artifacts.explanation import Explanation
from stages.artifacts.measurements import Measurements
from stages.summary.totals import Summary

QUALITY = (  # what people read of it; the rest is in plots/methods.csv
    "removal_gain",
    "removal_gain_se",
    "removal_gain_edges",
    "contrast_shift",
    "contrast_shift_se",
    "contrast_shift_edges",
    "tiles_error",
    "tiles_error_se",
    "coalition_error",
    "background_error",
    "concentration",
)
SMALLEST_ERROR = 1e-12  # relative; below it an additivity error is reported as this


def explanation_metrics(explanation: Explanation, summary: Summary) -> dict[str, float]:
    """Measure the explanation.

    Returns:
        `additivity_error_log10`: of the largest |sum of attributions - (output - base value)|, as a
        share of the range of the outputs; `additivity_l1_log10`: of the largest one as a share of
        the map's own Σ|attribution|, where float32 rounds to about -7; `top_class_agreement`: share
        of images whose largest summed attribution is the predicted class, if all classes are
        explained.
    """
    errors = np.abs(summary.sums - explanation.changes)
    of_range = errors.max() / (explanation.output_range or 1.0)
    of_total = (errors / np.where(summary.totals > 0, summary.totals, 1.0)).max()
    metrics = {
        "additivity_error_log10": float(np.log10(max(of_range, SMALLEST_ERROR))),
        "additivity_l1_log10": float(np.log10(max(of_total, SMALLEST_ERROR))),
    }
    if explanation.explains_all_classes:
        metrics["top_class_agreement"] = float(top_class_agrees(explanation, summary).mean())
    return metrics


def top_class_agrees(explanation: Explanation, summary: Summary) -> NDArray[np.bool_]:
    """Whether each image's largest summed attribution is its predicted class (n,).

    Among some of the classes alone the predicted one wins too easily, so this asks for all of them.
    """
    places = explanation.map_indices(explanation.predicted)
    return np.asarray(summary.sums.argmax(axis=1) == places)


def top_class_agreement_by_class(explanation: Explanation, summary: Summary) -> dict[int, float]:
    """The agreement for each class that was predicted; none unless all classes are explained."""
    if not explanation.explains_all_classes:
        return {}
    predicted, hits = explanation.predicted, top_class_agrees(explanation, summary)
    return {int(c): float(hits[predicted == c].mean()) for c in np.unique(predicted)}


def quality_metrics(measurements: Measurements) -> dict[str, float]:
    """Means over the images of the explanation's measures, described in `stages/measures/`.

    Returns:
        Those of `QUALITY` that are known: `<measure>_se` is the standard error of the mean,
        `<measure>_edges` the measure of the images' edges.
    """
    methods = measurements.by_method.set_index("method")
    found = methods.iloc[0].to_dict()
    if "edges" in methods.index:
        found |= methods.loc["edges"].add_suffix("_edges").to_dict()
    return {name: float(found[name]) for name in QUALITY if np.isfinite(found.get(name, np.nan))}
