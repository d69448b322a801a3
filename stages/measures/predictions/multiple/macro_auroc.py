"""Macro AUROC: the mean over the labels of their area under the ROC curve."""

import numpy as np
from numpy.typing import NDArray

from stages.measures.predictions.base.label_scores import label_scores, macro


def measure(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Mean AUROC of the labels that some images have and others lack; 0.5 is chance."""
    return macro(label_scores(probabilities, labels).auroc)
