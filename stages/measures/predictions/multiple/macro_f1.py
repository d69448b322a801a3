"""Macro F1: the mean over the labels of their F1."""

import numpy as np
from numpy.typing import NDArray

from stages.measures.predictions.base.label_scores import label_scores, macro


def measure(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Mean F1 of the labels that occur."""
    return macro(label_scores(probabilities, labels).f1)
