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
    n_pixels = maps[0].size
    weights = 2 * np.arange(1, n_pixels + 1) - n_pixels - 1
    found = np.full(len(maps), np.nan)
    for i, image in enumerate(maps):  # one by one, since all may be larger than memory
        strengths = np.sort(np.abs(image.ravel().astype(np.float64)))
        if (total := strengths.sum()) > 0:
            found[i] = strengths @ weights / (n_pixels * total)
    return found
