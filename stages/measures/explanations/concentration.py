"""Concentration: how few pixels hold the attribution?"""

import numpy as np
from numpy.typing import NDArray

from stages.measures.explanations.base.contract import Measured

DESCRIPTION = (
    "how few pixels hold the attribution, as a Gini index: 0 if all pixels are alike, 1 if a "
    "single one holds all"
)
BETTER = "neither"  # a sparse map is not truer than a dense one
HEADLINE = 6


def measure(measured: Measured) -> NDArray[np.float64]:
    """Concentration of the predicted class's maps (n,)."""
    return concentration(measured.maps.predicted)


def concentration(maps: NDArray[np.floating]) -> NDArray[np.float64]:
    """Gini index of the pixels' |attribution|.

    Args:
        maps: Attributions (n, h, w), NaN for an image without a map.

    Returns:
        (n,): 0 if all pixels are equally strong, towards 1 if one pixel holds all; NaN where all
        attributions are 0 or missing.

    Source: Hurley & Rickard 2009, arXiv:0811.4706; for attributions Chalasani et al. 2020,
    arXiv:1810.06583.
    """
    found = np.full(len(maps), np.nan)
    for index, image in enumerate(maps):  # image by image: they may be larger than memory
        strengths = np.sort(np.abs(image.ravel().astype(np.float64)))
        ranks = np.arange(1, strengths.size + 1)
        if (total := strengths.sum()) > 0:
            found[index] = strengths @ (2 * ranks - strengths.size - 1) / (strengths.size * total)
    return found
