"""Additivity error as a share of the attributions: do they sum to output minus base value?

`metrics/explain.json` has the error as a share of the outputs' range.
"""

import numpy as np

from stages.artifacts.explanation import Explanation

SMALLEST_ERROR = 1e-12  # relative; smaller errors are reported as this, since log(0) is infinite


def additivity_l1_log10(explanation: Explanation) -> float:
    """Log10 of the largest |sum - (output - base value)|, as a share of the map's Σ|attribution|.

    float32 rounds to about -7. The error of a map of zeros counts in output units.

    Returns:
        NaN if an attribution is not finite.
    """
    sums, totals = np.empty((2, *explanation.classes.shape))
    for index, values in enumerate(explanation.values):  # image by image: may exceed memory
        totals[index] = np.abs(values).sum(axis=(0, 1, 2), dtype=np.float64)
        sums[index] = values.sum(axis=(0, 1, 2), dtype=np.float64)
    errors = np.abs(sums - explanation.changes)
    largest = float((errors / np.where(totals > 0, totals, 1.0)).max())
    return float(np.log10(max(largest, SMALLEST_ERROR)))
