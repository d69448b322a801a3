"""Macro F1: the mean over the classes of their F1."""

import numpy as np
from numpy.typing import NDArray

from stages.measures.predictions.base.class_scores import class_scores


def measure(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Mean F1 of the classes that have images; one without predictions scores 0."""
    scores = class_scores(labels, probabilities.argmax(axis=1), probabilities.shape[1])
    return float(scores.f1[scores.images > 0].mean())
