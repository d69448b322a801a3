"""Lowest recall: how well is the worst label recognised?"""

import numpy as np
from numpy.typing import NDArray

from stages.measures.predictions.base.label_scores import label_scores


def measure(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Lowest recall of a label that occurs."""
    return float(np.nanmin(label_scores(probabilities, labels).recall))
