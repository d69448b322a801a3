"""Accuracy: the share of images that are classified correctly."""

import numpy as np
from numpy.typing import NDArray


def measure(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Share of images whose most probable class is the true one."""
    return float((probabilities.argmax(axis=1) == labels).mean())
