"""Top-class agreement: does the predicted class have an image's largest summed attribution?

Among a subset of the classes the predicted one wins too easily, so all must be explained. Less than
full agreement is not an error: a class can win with a smaller sum if its base value is larger.
"""

import numpy as np
from numpy.typing import NDArray

from stages.artifacts.explanation import Explanation


def compares_classes(explanation: Explanation) -> bool:
    """Whether sums of different classes can be compared: all are explained and exclude each other.

    Several labels of an image do not exclude each other.
    """
    return explanation.explains_all_classes and not explanation.multiple


def top_class_agrees(explanation: Explanation, sums: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether each image's largest sum (n, m) is that of its predicted class (n,)."""
    map_indices = explanation.map_indices(explanation.predicted)
    return np.asarray(sums.argmax(axis=1) == map_indices)


def top_class_agreement_by_class(
    explanation: Explanation, sums: NDArray[np.float64]
) -> dict[int, float]:
    """Share of the images that agree, for each predicted class; empty unless all are explained."""
    if not compares_classes(explanation):
        return {}
    predicted, agrees = explanation.predicted, top_class_agrees(explanation, sums)
    return {int(c): float(agrees[predicted == c].mean()) for c in np.unique(predicted)}
