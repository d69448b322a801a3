"""Lowest recall: how well is the worst class recognised?"""

import numpy as np
from numpy.typing import NDArray

from stages.measures.predictions.base.class_scores import class_scores


def measure(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Lowest recall of a class; a class without images scores 0."""
    predicted = probabilities.argmax(axis=1)
    return float(class_scores(labels, predicted, probabilities.shape[1]).recall.min())
