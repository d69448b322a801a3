"""Which classes are taken for which."""

import numpy as np
from numpy.typing import NDArray


def confusion_counts(
    labels: NDArray[np.int64], predictions: NDArray[np.int64], n_classes: int
) -> NDArray[np.int64]:
    """Count images (k, k) by true class, then predicted class."""
    cells = np.bincount(labels * n_classes + predictions, minlength=n_classes**2)
    return cells.reshape(n_classes, n_classes)


def most_confused(counts: NDArray[np.int64]) -> tuple[int, int] | None:
    """Find the true and the predicted class of the most frequent mistake; None without any."""
    mistakes = counts * (1 - np.eye(len(counts), dtype=np.int64))
    if not mistakes.any():
        return None
    true, predicted = np.unravel_index(mistakes.argmax(), mistakes.shape)
    return int(true), int(predicted)
