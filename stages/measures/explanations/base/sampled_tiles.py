"""The tile game by sampling, for networks that are too slow for all coalitions.

A pair is a random order of the tiles and its reverse (antithetic), played against one random
background image: in both orders, tiles appear one after the other, and each is credited with the
change of the output. The mean over pairs has no bias, and its variance is known.

Source: Castro et al. 2009, doi:10.1016/j.cor.2008.04.004; reversed orders as in Mitchell et al.
2022, arXiv:2104.12199.
"""

import numpy as np
import torch
from numpy.typing import NDArray

from stages.measures.explanations.base.plan import N_PAIRS
from stages.measures.explanations.base.subject import Subject
from stages.measures.explanations.base.tiles import N_TILES, TileGame, tile_numbers
from stages.networks.parallel import Map


def sample_tiles(game: Subject) -> TileGame:
    """Estimated Shapley values of the tiles of each image, with their variances."""
    numbers = torch.from_numpy(tile_numbers(*game.images.shape[2:])).to(game.background.device)
    played = np.empty((len(game.images), N_PAIRS, N_TILES + 1))

    def compute(run: Map, index: int) -> NDArray[np.float64]:
        draw = np.random.default_rng((0, index))
        rows = np.empty((N_PAIRS, N_TILES + 1))
        for row in rows:
            order = draw.permutation(N_TILES)
            reference = int(draw.integers(len(game.background)))
            keep = torch.from_numpy(_shown(order))[:, numbers]
            outputs = game.masked_outputs(
                run, "explained", index, keep, game.background[reference : reference + 1]
            )
            values = outputs[:, game.predicted[index]].cpu().numpy()
            row[:] = *_credited(order, values), np.abs(values).max()
        return rows

    for index, rows in enumerate(game.rows("tiles", range(len(played)), compute)):
        played[index] = rows
    pairs, largest = played[..., :-1], played[..., -1].max(axis=1)
    shapley = pairs.mean(axis=1)
    return TileGame(
        shapley=shapley,
        variances=pairs.var(axis=1, ddof=1) / N_PAIRS,
        changes=shapley.sum(axis=1),
        largest=largest,
        coalition_values=None,
    )


def _shown(order: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which tiles are shown (18, 9): the first 0, 1, … 8 of the order, then all but these."""
    forward = np.array([np.isin(np.arange(N_TILES), order[:n]) for n in range(N_TILES)])
    return np.concatenate([forward, ~forward])


def _credited(order: NDArray[np.int64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean change (9,) that each tile brings in an order and its reverse.

    Args:
        order: The order of the tiles (9,).
        values: Outputs for the coalitions of `_shown` (18,).
    """
    with_first, without_first = np.split(values, 2)
    forward = np.diff([*with_first, without_first[0]])
    backward = -np.diff([*without_first, with_first[0]])
    credits = np.empty(N_TILES)
    credits[order] = (forward + backward) / 2
    return credits
