"""Accuracy: the share of all labels of all images that are predicted correctly."""

import numpy as np
from numpy.typing import NDArray

from stages.artifacts.splits import THRESHOLD


def measure(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Share of the pairs of image and label whose prediction is right."""
    return float(((probabilities > THRESHOLD) == (labels > 0)).mean())
