"""Macro average precision: the mean over the labels of their average precision."""

import numpy as np
from numpy.typing import NDArray

from stages.measures.predictions.base.label_scores import label_scores, macro


def measure(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Mean average precision of the labels that occur; 1 if a label ranks its images first."""
    return macro(label_scores(probabilities, labels).average_precision)
