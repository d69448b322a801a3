"""Localisation: how much of a map lies where the network looks, if that is known?

Source: relevance mass accuracy of Arras et al. 2022, arXiv:2003.07258, of |attribution|.
"""

import numpy as np
from numpy.typing import NDArray


def localisation(maps: NDArray[np.floating], region: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Share of |attribution| within a region.

    Args:
        maps: (n, h, w).
        region: (h, w).

    Returns:
        (n,): 1 if all of it is there; NaN for a map of zeros.
    """
    strengths = np.abs(maps.astype(np.float64))
    totals = strengths.sum(axis=(1, 2))
    inside = np.where(region, strengths, 0).sum(axis=(1, 2))
    found = np.full(len(maps), np.nan)
    return np.asarray(np.divide(inside, totals, out=found, where=totals > 0))
