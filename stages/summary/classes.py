"""The classes shown for an image, where there are too many to show all."""

import numpy as np
from numpy.typing import NDArray

ALL_CLASSES_UP_TO = 12
TOP_CLASSES = 10


def n_shown(n_classes: int) -> int:
    """How many classes are shown: all up to twelve, else ten."""
    return n_classes if n_classes <= ALL_CLASSES_UP_TO else TOP_CLASSES


def shown_classes(
    probabilities: NDArray[np.floating], labels: NDArray[np.int64]
) -> NDArray[np.int64]:
    """The classes whose maps are drawn for each image.

    Up to twelve classes: all, in class order. More: the ten most probable, the most probable
    first, the last of them giving way to the true class where that is not among them.

    Args:
        probabilities: (n, k).
        labels: True classes (n,).

    Returns:
        (n, k) or (n, 10) class numbers.
    """
    n_images, n_classes = probabilities.shape
    if n_shown(n_classes) == n_classes:
        return np.tile(np.arange(n_classes), (n_images, 1))
    shown = np.argsort(-probabilities, axis=1, kind="stable")[:, :TOP_CLASSES]
    absent = ~(shown == labels[:, None]).any(axis=1)
    shown[absent, -1] = labels[absent]
    return shown.astype(np.int64)
