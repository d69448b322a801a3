"""Concentration: on how few pixels does a map rest?"""

import numpy as np
from numpy.typing import NDArray


def concentration(maps: NDArray[np.floating]) -> NDArray[np.float64]:
    """Gini index of the strengths |attribution| of the pixels.

    It has no good direction: a sparse map is not truer than a spread one.

    Args:
        maps: Attributions (n, h, w), NaN where there are none.

    Returns:
        (n,): 0 if all pixels are equally strong, towards 1 if one pixel has all; NaN where all
        attributions are 0 or there are none.

    Source: Hurley & Rickard 2009, arXiv:0811.4706; for attributions Chalasani et al. 2020,
    arXiv:1810.06583.
    """
    strengths = np.sort(np.abs(maps.reshape(len(maps), -1).astype(np.float64)), axis=1)
    n_pixels = strengths.shape[1]
    weights = 2 * np.arange(1, n_pixels + 1) - n_pixels - 1
    total = strengths.sum(axis=1)
    known = total > 0
    return np.where(known, strengths @ weights / np.where(known, n_pixels * total, 1), np.nan)
