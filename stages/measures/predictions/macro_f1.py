"""Macro F1: the mean over the classes of their F1."""

import numpy as np
from numpy.typing import NDArray

from stages.measures.predictions.base.class_scores import class_scores


def measure(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Mean F1; a class without images or predictions scores 0."""
    predicted = probabilities.argmax(axis=1)
    return float(class_scores(labels, predicted, probabilities.shape[1]).f1.mean())
