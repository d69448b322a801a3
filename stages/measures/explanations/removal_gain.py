"""Removal gain: does the prediction rest on the pixels that the map calls important?

The area between the two curves of `base/removal.py`: 0 for a map that ignores the network, since
both orders are then alike; at most 1.
"""

import numpy as np
from numpy.typing import NDArray

from stages.measures.explanations.base.contract import Measured
from stages.measures.explanations.base.removal import REMOVED

DESCRIPTION = (
    "how much sooner the predicted class's probability falls when the strongest pixels are "
    "replaced first"
)
BETTER = "higher"
HEADLINE = 1


def measure(measured: Measured) -> NDArray[np.float64]:
    """Removal gain of each image (n,)."""
    return removal_gain(measured.removal_curves)


def removal_gain(curves: NDArray[np.float64]) -> NDArray[np.float64]:
    """Area between the curves (n, 2, 29) of the two orders (n,), -1 … 1."""
    return np.asarray(np.trapezoid(curves[:, 1] - curves[:, 0], REMOVED, axis=1))
