"""Tiles error: how far are the attributions from exact Shapley values?

Nine tiles are few enough for exact Shapley values, see `base/tiles.py`.
"""

import numpy as np
from numpy.typing import NDArray

from stages.measures.explanations.base.contract import Measured
from stages.measures.explanations.base.tiles import TileGame, share_of_change

DESCRIPTION = "distance from exact Shapley values of 3 by 3 tiles; 0 is exact"
BETTER = "lower"
HEADLINE = 3


def measure(measured: Measured) -> NDArray[np.float64]:
    """Tiles error of the images in the tile game (t,)."""
    return tiles_error(measured.tile_sums, measured.tile_game)


def tiles_error(sums: NDArray[np.float64], game: TileGame) -> NDArray[np.float64]:
    """Distance of the tiles' attributions from their Shapley values, as a share of these.

    Where Shapley values are estimates, their noise is subtracted from both squared lengths.

    Args:
        sums: Attributions of the tiles (n, 9).
        game: The Shapley values, with variances.

    Returns:
        (n,): 0 if exact, 1 for a map of zeros; NaN where no tile changes the output.
    """
    noise = game.variances.sum(axis=1)
    distances, lengths = (
        np.sqrt(np.maximum(np.linalg.norm(vectors, axis=1) ** 2 - noise, 0))
        for vectors in (sums - game.shapley, game.shapley)
    )
    return share_of_change(distances, lengths, game.largest)
