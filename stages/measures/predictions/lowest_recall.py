"""Lowest recall: how well is the worst class recognised?"""

import numpy as np
from numpy.typing import NDArray

from stages.measures.predictions.base.class_scores import class_scores


def measure(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Lowest recall of a class that has images."""
    scores = class_scores(labels, probabilities.argmax(axis=1), probabilities.shape[1])
    return float(scores.recall[scores.images > 0].min())
