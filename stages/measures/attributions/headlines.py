"""The headline numbers of an explanation, at most eight: `metrics/explain.json`."""

import numpy as np

from stages.artifacts.explanation import Explanation
from stages.artifacts.measurements import Measurements
from stages.measures.attributions.additivity import additivity_error_log10
from stages.measures.attributions.summary import Summary
from stages.measures.attributions.top_class import compares_classes, top_class_agrees


def headline_numbers(
    explanation: Explanation, summary: Summary, measurements: Measurements | None
) -> dict[str, float]:
    """The numbers to judge an explanation by, the most important first.

    Returns:
        `additivity_error_log10`; `top_class_agreement`, the share of images that agree, if all
        classes are explained and exclude each other; the mean over the images of each headline
        measure that is known. None of them if there is nothing to explain.
        Standard errors and baselines are in `plots/methods.csv`.
    """
    if explanation.nothing_to_explain:
        return {}
    numbers = {"additivity_error_log10": additivity_error_log10(explanation, summary.sums)}
    if compares_classes(explanation):
        agrees = top_class_agrees(explanation, summary.sums)
        numbers["top_class_agreement"] = float(agrees.mean())
    if measurements is not None:
        own = measurements.by_method.iloc[0]
        headlines = [name for name, about in measurements.descriptions.items() if about.headline]
        numbers |= {name: float(own[name]) for name in headlines if np.isfinite(own[name])}
    return numbers
