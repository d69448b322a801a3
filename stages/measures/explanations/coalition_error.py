"""Coalition error: do the attributions of a coalition's tiles add up to its value?

Source: the infidelity of Yeh et al. 2019, arXiv:1901.09392, over all coalitions of nine tiles, see
`base/tiles.py`.
"""

import numpy as np
from numpy.typing import NDArray

from stages.measures.explanations.base.contract import Measured
from stages.measures.explanations.base.tiles import COALITIONS, N_TILES, share_of_change

DESCRIPTION = (
    "distance of summed tiles from the output with only these tiles shown; 1 for equal tiles, "
    "exact Shapley values are the floor"
)
BETTER = "lower"
HEADLINE = 4


def measure(measured: Measured) -> NDArray[np.float64]:
    """Coalition error of the images in the tile game (t,); of none if coalitions are sampled."""
    values = measured.tile_game.coalition_values
    return np.empty(0) if values is None else coalition_error(measured.tile_sums, values)


def coalition_error(sums: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Error of predicting each coalition's value by adding up its tiles' attributions.

    Args:
        sums: Attributions of the tiles (n, 9).
        values: Coalition values (n, 512).

    Returns:
        (n,): root mean square over all coalitions except the empty and the full one, as a share of
        that of nine equal attributions; NaN where no tile changes the output.
    """
    change = values[:, -1:] - values[:, :1]
    equal = np.repeat(change / N_TILES, N_TILES, axis=1)
    largest = np.abs(values).max(axis=1)
    return share_of_change(_misses(sums, values), _misses(equal, values), largest)


def _misses(sums: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    errors = values - values[:, :1] - sums @ COALITIONS.T
    return np.asarray(np.sqrt((errors[:, 1:-1] ** 2).mean(axis=1)))
