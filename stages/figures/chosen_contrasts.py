"""Chooses the images that best show why one class was predicted and not another."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.artifacts.explanation import Explanation

MOST_CONTRASTS = 10


class Contrast(NamedTuple):
    """An explained image and the two classes whose maps are subtracted.

    Attributes:
        image_index: Index among the explained images.
        plus: The class whose map counts positively.
        minus: The class whose map is subtracted.
    """

    image_index: int
    plus: int
    minus: int


def confusion_counts(
    labels: NDArray[np.int64], predictions: NDArray[np.int64], n_classes: int
) -> NDArray[np.int64]:
    """Numbers of images (k, k): true classes in rows, predicted classes in columns."""
    cells = np.bincount(labels * n_classes + predictions, minlength=n_classes**2)
    return cells.reshape(n_classes, n_classes)


def most_confused(counts: NDArray[np.int64], among: NDArray[np.int64]) -> tuple[int, int] | None:
    """The true and the predicted class of the most frequent mistake; None if there is none.

    Args:
        counts: (k, k), as returned by `confusion_counts`.
        among: Classes to consider.
    """
    mistakes = np.zeros_like(counts)
    mistakes[np.ix_(among, among)] = counts[np.ix_(among, among)]
    np.fill_diagonal(mistakes, 0)
    if not mistakes.any():
        return None
    true, predicted = np.unravel_index(mistakes.argmax(), mistakes.shape)
    return int(true), int(predicted)


def contrasts_of_mistakes(explanation: Explanation) -> list[Contrast]:
    """The most confident mistakes that have maps of both the predicted and the true class."""
    predicted = explanation.predicted
    confidence = explanation.probabilities.max(axis=1)
    both = (explanation.map_indices(predicted) >= 0) & (
        explanation.map_indices(explanation.labels) >= 0
    )
    wrong = np.flatnonzero((predicted != explanation.labels) & both)
    surest = wrong[np.argsort(-confidence[wrong], kind="stable")][:MOST_CONTRASTS]
    return [Contrast(int(i), int(predicted[i]), int(explanation.labels[i])) for i in surest]


def contrasts_of_pair(explanation: Explanation, true: int, predicted: int) -> list[Contrast]:
    """Images of two classes that have maps of both.

    Images of the class `true` predicted as `predicted` come first; within each group, the images
    with the highest smaller probability of the two classes.
    """
    both = (explanation.map_indices(true) >= 0) & (explanation.map_indices(predicted) >= 0)
    candidates = np.flatnonzero(np.isin(explanation.labels, (true, predicted)) & both)
    labels, predictions = explanation.labels[candidates], explanation.predicted[candidates]
    mistaken = (labels == true) & (predictions == predicted)
    probabilities = explanation.probabilities[candidates]
    undecided = probabilities[:, [true, predicted]].min(axis=1)
    order = np.lexsort((-undecided, ~mistaken))  # the last key is the primary one
    return [Contrast(int(i), predicted, true) for i in candidates[order][:MOST_CONTRASTS]]
