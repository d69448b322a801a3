"""Precision, recall and F1 of each class."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class ClassScores(NamedTuple):
    """How well each of k classes is predicted; a class without images or predictions scores 0.

    Attributes:
        images: Number of images of the class (k,).
        precision: Share of the images predicted as the class that belong to it (k,).
        recall: Share of the class's images that are predicted as it (k,).
        f1: Harmonic mean of precision and recall (k,).
    """

    images: NDArray[np.int64]
    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    f1: NDArray[np.float64]


def class_scores(
    labels: NDArray[np.int64], predicted: NDArray[np.int64], n_classes: int
) -> ClassScores:
    """Compare the true classes (n,) of images with the predicted ones (n,), class by class."""
    images, predictions, right = (
        np.bincount(classes, minlength=n_classes)
        for classes in (labels, predicted, labels[labels == predicted])
    )
    return ClassScores(
        images=images,
        precision=right / np.maximum(predictions, 1),
        recall=right / np.maximum(images, 1),
        f1=2 * right / np.maximum(images + predictions, 1),
    )
