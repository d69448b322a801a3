"""Tiles and coalition error: how far are the attributions from exact Shapley values?

The nine tiles of a 3×3 grid play the game that SHAP approximates: a coalition's value is the
network's output for the image on its tiles and the background elsewhere. Of nine players all 512
coalitions can be played, so their Shapley values are exact.

Source: Lundberg & Lee 2017, arXiv:1705.07874; the coalition error is the infidelity of Yeh et al.
2019, arXiv:1901.09392, over all coalitions.
"""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import trange

from stages.measures.base.masking import masked_outputs
from stages.measures.base.subject import Subject
from stages.networks.parallel import one_core_each

SIDE = 3
N_TILES = SIDE**2
N_IMAGES = 20
N_REFERENCES = 10
ROUNDING = 1e-6  # what float32 leaves of a change that is none, as a share of the output

# Coalition s has tile t (512, 9): the empty one comes first, that of all tiles last.
COALITIONS = np.arange(2**N_TILES)[:, None] >> np.arange(N_TILES) & 1 == 1


def tile_numbers(height: int, width: int) -> NDArray[np.int64]:
    """The tile of each pixel (h, w), 0 … 8, row by row; sides differ by one pixel at most."""
    rows, columns = (np.arange(side) * SIDE // side for side in (height, width))
    return np.asarray(rows[:, None] * SIDE + columns)


def tile_sums(maps: NDArray[np.floating]) -> NDArray[np.float64]:
    """The attributions (n, h, w) of each tile's pixels together (n, 9)."""
    inside = tile_numbers(*maps.shape[1:]) == np.arange(N_TILES)[:, None, None]
    return np.asarray(np.einsum("nhw,thw->nt", maps, inside, dtype=np.float64))


def game_of_tiles(subject: Subject) -> Subject:
    """Of what is measured, the part that is played: at most 20 images and 10 of the background."""
    return subject.part(N_IMAGES, N_REFERENCES)


def play_tiles(game: Subject) -> NDArray[np.float64]:
    """Values of all coalitions of tiles.

    Returns:
        (t, 512): explained output of an image's predicted class, mean over the background.
    """
    numbers = torch.from_numpy(tile_numbers(*game.images.shape[2:]))
    keep = torch.from_numpy(COALITIONS)[:, numbers].to(game.background.device)  # (512, h, w)
    values = np.empty((len(game.images), len(COALITIONS)))
    progress = trange(len(values), desc="tiles", unit="image", leave=False, delay=1, disable=None)
    with one_core_each(keep.device) as run:
        for i in progress:
            outputs = masked_outputs(run, game.explained, game.image(i), keep, game.background)
            values[i] = outputs[:, game.predicted[i]].cpu().numpy()
    return values


def _shapley_weights() -> NDArray[np.float64]:
    """The matrix (9, 512) that turns values of coalitions into Shapley values."""
    sizes = COALITIONS.sum(axis=1)
    orders = [math.factorial(size) * math.factorial(N_TILES - size) for size in range(N_TILES + 1)]
    weights = np.array(orders)[sizes, None] / math.factorial(N_TILES)
    with_tile = weights / np.maximum(sizes, 1)[:, None]
    without = weights / np.maximum(N_TILES - sizes, 1)[:, None]
    return np.asarray(np.where(COALITIONS, with_tile, -without).T)


def shapley_values(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Exact Shapley values of the tiles (n, 9) from the coalitions' values (n, 512)."""
    return values @ _shapley_weights().T


def tiles_error(sums: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distance of the tiles' attributions (n, 9) from their Shapley values, as a share of these.

    Returns:
        (n,): 0 if exact, 1 for a map of zeros; lower is better; NaN where no tile changes anything.
    """
    exact = shapley_values(values)
    return _ratio(np.linalg.norm(sums - exact, axis=1), np.linalg.norm(exact, axis=1), values)


def coalition_error(sums: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Error of predicting each coalition's value by adding up its tiles' attributions.

    Returns:
        (n,): root mean square over the coalitions, but the empty and the full one, as a share of
        that of nine equal attributions; lower is better, exact Shapley values are the floor; NaN
        where no tile changes anything.
    """
    change = values[:, -1:] - values[:, :1]
    equal = np.repeat(change / N_TILES, N_TILES, axis=1)
    return _ratio(_misses(sums, values), _misses(equal, values), values)


def _misses(sums: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    errors = values - values[:, :1] - sums @ COALITIONS.T
    return np.asarray(np.sqrt((errors[:, 1:-1] ** 2).mean(axis=1)))


def _ratio(
    part: NDArray[np.float64], whole: NDArray[np.float64], values: NDArray[np.float64]
) -> NDArray[np.float64]:
    known = whole > ROUNDING * np.abs(values).max(axis=1)
    return np.where(known, part / np.where(known, whole, 1), np.nan)
