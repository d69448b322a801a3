"""Where a network is wrong, and how sure it was."""

import numpy as np
from numpy.typing import NDArray


def surest_mistakes(
    probabilities: NDArray[np.floating], labels: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Positions of all wrong predictions, those of the highest probability first.

    Args:
        probabilities: Predictions (n, k).
        labels: True classes (n,).
    """
    wrong = np.flatnonzero(probabilities.argmax(axis=1) != labels)
    return wrong[np.argsort(-probabilities[wrong].max(axis=1), kind="stable")]
