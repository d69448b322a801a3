"""Expected calibration error: how far is the confidence from the accuracy?

Source: Naeini et al. 2015; 15 bins of equal width as in Guo et al. 2017, arXiv:1706.04599.
"""

import numpy as np
from numpy.typing import NDArray

from stages.measures.predictions.base.reliability import calibration_error


def measure(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Mean |accuracy - confidence| over the bins, weighted by their size."""
    return calibration_error(probabilities, labels)
