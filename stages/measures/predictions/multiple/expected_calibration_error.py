"""Expected calibration error over all labels: how far is the confidence from the accuracy?

The confidence in a label is its probability or one minus it, whichever is larger. Source and bins
are those of one class an image.
"""

import numpy as np
from numpy.typing import NDArray

from stages.measures.predictions.base.reliability import calibration_error


def measure(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Mean |accuracy - confidence| over the bins, weighted by their size."""
    return calibration_error(probabilities, labels)
