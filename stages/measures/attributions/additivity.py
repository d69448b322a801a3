"""Additivity errors: how far are sums of attributions from output minus base value?

As powers of ten: -7 is one in ten million, about what float32 rounding leaves.
"""

import numpy as np
from numpy.typing import NDArray

from stages.artifacts.explanation import Explanation

SMALLEST_ERROR = 1e-12  # relative; smaller errors are reported as this, since log(0) is infinite


def additivity_error_log10(explanation: Explanation, sums: NDArray[np.float64]) -> float:
    """Log10 of the largest |sum - (output - base value)|, as a share of the outputs' range.

    Args:
        explanation: n images, m maps of each.
        sums: Attribution of each map, summed over channels and pixels (n, m).
    """
    errors = np.abs(sums - explanation.changes)
    return _log10(errors.max() / (explanation.output_range or 1.0))


def additivity_l1_log10(explanation: Explanation) -> float:
    """Log10 of the largest |sum - (output - base value)|, as a share of the map's Σ|attribution|.

    The error of a map of zeros counts in output units.

    Returns:
        NaN if an attribution is not finite.
    """
    sums, totals = np.empty((2, *explanation.classes.shape))
    for index, values in enumerate(explanation.values):  # image by image: may exceed memory
        totals[index] = np.abs(values).sum(axis=(0, 1, 2), dtype=np.float64)
        sums[index] = values.sum(axis=(0, 1, 2), dtype=np.float64)
    errors = np.abs(sums - explanation.changes)
    return _log10((errors / np.where(totals > 0, totals, 1.0)).max())


def _log10(error: float) -> float:
    return float(np.log10(max(error, SMALLEST_ERROR)))
