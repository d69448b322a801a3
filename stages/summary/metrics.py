"""Numbers that say how an explanation turned out: `metrics/explain.json`."""

import numpy as np
from numpy.typing import NDArray

from stages.artifacts.explanation import Explanation
from stages.summary.totals import Summary

SMALLEST_ERROR = 1e-12  # relative; below it an additivity error is reported as this


def explanation_metrics(explanation: Explanation, summary: Summary) -> dict[str, float]:
    """Measure the explanation.

    Returns:
        `n_images`: explained; `additivity_log10`: of the largest
        |sum of attributions - (output - base value)|, relative to the range of the outputs;
        `diagonal`: share of images whose largest summed attribution is the predicted class;
        `strength`: sum over pixels of |attribution|, mean over images and classes, output units.
    """
    change = explanation.outputs - explanation.base_values
    error = float(np.abs(summary.sums - change).max()) / (explanation.output_range or 1.0)
    return {
        "n_images": len(explanation.labels),
        "additivity_log10": float(np.log10(max(error, SMALLEST_ERROR))),
        "diagonal": float(on_diagonal(explanation, summary).mean()),
        "strength": float(summary.strengths.mean()),
    }


def on_diagonal(explanation: Explanation, summary: Summary) -> NDArray[np.bool_]:
    """Whether each image's largest summed attribution is its predicted class (n,)."""
    return np.asarray(summary.sums.argmax(axis=1) == explanation.predictions)


def diagonal_by_class(explanation: Explanation, summary: Summary) -> dict[int, float]:
    """The diagonal of each class that was predicted for an explained image."""
    predictions, hits = explanation.predictions, on_diagonal(explanation, summary)
    return {int(c): float(hits[predictions == c].mean()) for c in np.unique(predictions)}
