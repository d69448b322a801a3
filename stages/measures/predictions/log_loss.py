"""Log loss: how improbable are the true classes?"""

import numpy as np
from numpy.typing import NDArray


def measure(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Mean of -log of the true class's probability, in nats; 0 counts as 2⁻⁵²."""
    true_class_probability = probabilities[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(true_class_probability, np.finfo(np.float64).eps)).mean())
