"""Tiles error: how far are the attributions from exact Shapley values?

Nine tiles are few enough for exact Shapley values, see `base/tiles.py`.
"""

import numpy as np
from numpy.typing import NDArray

from stages.measures.explanations.base.contract import Measured
from stages.measures.explanations.base.tiles import shapley_values, share_of_change

DESCRIPTION = "distance from exact Shapley values of 3 by 3 tiles; 0 is exact"
BETTER = "lower"
HEADLINE = 3


def measure(measured: Measured) -> NDArray[np.float64]:
    """Tiles error of the images in the tile game (t,)."""
    return tiles_error(measured.tile_sums, measured.coalition_values)


def tiles_error(sums: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distance of the tiles' attributions from their Shapley values, as a share of these.

    Args:
        sums: Attributions of the tiles (n, 9).
        values: Coalition values (n, 512).

    Returns:
        (n,): 0 if exact, 1 for a map of zeros; NaN where no tile changes the output.
    """
    exact = shapley_values(values)
    distances = np.linalg.norm(sums - exact, axis=1)
    return share_of_change(distances, np.linalg.norm(exact, axis=1), values)
