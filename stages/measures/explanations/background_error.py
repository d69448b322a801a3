"""Background error: how much would another draw of the background change the map?"""

import numpy as np
from numpy.typing import NDArray

from stages.measures.explanations.base.contract import Measured

DESCRIPTION = "standard error over the background, as a share of the attributions"
BETTER = "lower"
HEADLINE = 5


def measure(measured: Measured) -> NDArray[np.float64]:
    """Background error of the predicted class's maps (n,); NaN for a method without errors."""
    maps = measured.maps
    if maps.errors is None:
        return np.full(len(maps.predicted), np.nan)
    return background_error(maps.errors, maps.predicted)


def background_error(
    errors: NDArray[np.floating], maps: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Standard error of the attributions over the background, as a share of the attributions.

    Args:
        errors: Standard errors of the attributions to the predicted class (n, h, w).
        maps: The attributions (n, h, w), NaN for an image without a map.

    Returns:
        (n,): root mean square of the errors over that of the attributions; NaN where all
        attributions are 0 or missing.
    """
    variance, power = (
        np.array([(image.astype(np.float64) ** 2).mean() for image in array])
        for array in (errors, maps)  # image by image, since they may be larger than memory
    )
    known = power > 0
    return np.sqrt(np.where(known, variance / np.where(known, power, 1), np.nan))
