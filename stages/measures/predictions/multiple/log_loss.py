"""Log loss: how improbable is what is true of each label?"""

import numpy as np
from numpy.typing import NDArray


def measure(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Mean binary cross-entropy over images and labels, in nats; a probability of 0 is 2⁻⁵²."""
    truth = np.where(labels > 0, probabilities, 1 - probabilities)
    return float(-np.log(np.maximum(truth, np.finfo(np.float64).eps)).mean())
