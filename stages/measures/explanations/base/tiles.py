"""The tile game: exact Shapley values of nine tiles, which attributions should match.

The nine tiles of a 3×3 grid play the game that SHAP approximates: the value of a coalition is the
network's output for the image on its tiles and the background elsewhere. Nine players have 512
coalitions, few enough to evaluate all of them, so their Shapley values are exact.

Source: Lundberg & Lee 2017, arXiv:1705.07874.
"""

import math
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from stages.measures.explanations.base.plan import GAME_IMAGES, GAME_REFERENCES
from stages.measures.explanations.base.subject import Subject
from stages.networks.parallel import Map

SIDE = 3
N_TILES = SIDE**2
ROUNDING = 1e-6  # float32 rounding of an unchanged output, as a share of the output

# Whether coalition s contains tile t (512, 9): the empty one comes first, the full one last.
COALITIONS = np.arange(2**N_TILES)[:, None] >> np.arange(N_TILES) & 1 == 1


class TileGame(NamedTuple):
    """The Shapley values of the tiles, for the explained output of each image's predicted class.

    Attributes:
        shapley: Shapley values (t, 9).
        variances: Variances of `shapley` (t, 9); 0 where they are exact.
        changes: The output for all tiles minus that for none (t,).
        largest: The largest |output| of any coalition (t,).
        coalition_values: Outputs for all coalitions (t, 512); None if they were sampled.
    """

    shapley: NDArray[np.float64]
    variances: NDArray[np.float64]
    changes: NDArray[np.float64]
    largest: NDArray[np.float64]
    coalition_values: NDArray[np.float64] | None


def tile_numbers(height: int, width: int) -> NDArray[np.int64]:
    """The tile of each pixel (h, w), 0 … 8, row by row; sides differ by one pixel at most."""
    rows, columns = (np.arange(side) * SIDE // side for side in (height, width))
    return np.asarray(rows[:, None] * SIDE + columns)


def tile_sums(maps: NDArray[np.floating]) -> NDArray[np.float64]:
    """Attributions (n, h, w) summed over the pixels of each tile (n, 9)."""
    return sums_by_number(maps, tile_numbers(*maps.shape[1:]), N_TILES)


def sums_by_number(
    maps: NDArray[np.floating], numbers: NDArray[np.int64], n_parts: int
) -> NDArray[np.float64]:
    """Attributions (n, h, w) summed over the pixels of each part (n, p).

    Args:
        maps: (n, h, w).
        numbers: The part of each pixel (h, w), 0 … p - 1.
        n_parts: p; a part may have no pixels.
    """
    inside = numbers == np.arange(n_parts)[:, None, None]
    return np.asarray(np.einsum("nhw,phw->np", maps, inside, dtype=np.float64))


def game_of_tiles(subject: Subject) -> Subject:
    """The images of the game, at most 20, and its background images: at most 10, or all to draw."""
    n_references = len(subject.background) if subject.plan.sampled else GAME_REFERENCES
    return subject.subset(min(GAME_IMAGES, subject.plan.n_images), n_references)


def exact_game(values: NDArray[np.float64]) -> TileGame:
    """The game of which all coalitions are known (t, 512)."""
    shapley = shapley_values(values)
    return TileGame(
        shapley=shapley,
        variances=np.zeros_like(shapley),
        changes=values[:, -1] - values[:, 0],
        largest=np.abs(values).max(axis=1),
        coalition_values=values,
    )


def play_tiles(game: Subject) -> NDArray[np.float64]:
    """Values of all coalitions of tiles.

    Returns:
        (t, 512): explained output of an image's predicted class, mean over the background.
    """
    numbers = torch.from_numpy(tile_numbers(*game.images.shape[2:]))
    keep = torch.from_numpy(COALITIONS)[:, numbers].to(game.background.device)  # (512, h, w)
    values = np.empty((len(game.images), len(COALITIONS)))

    def compute(run: Map, index: int) -> NDArray[np.float64]:
        outputs = game.masked_outputs(run, "explained", index, keep, game.background)
        return outputs[:, game.predicted[index]].cpu().numpy()

    for index, row in enumerate(game.rows("tiles", range(len(values)), compute)):
        values[index] = row
    return values


def _shapley_weights() -> NDArray[np.float64]:
    """The matrix (9, 512) that turns coalition values into Shapley values."""
    sizes = COALITIONS.sum(axis=1)
    orders = [math.factorial(size) * math.factorial(N_TILES - size) for size in range(N_TILES + 1)]
    weights = np.array(orders)[sizes, None] / math.factorial(N_TILES)
    with_tile = weights / np.maximum(sizes, 1)[:, None]
    without = weights / np.maximum(N_TILES - sizes, 1)[:, None]
    return np.asarray(np.where(COALITIONS, with_tile, -without).T)


def shapley_values(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Exact Shapley values of the tiles (n, 9) from the coalition values (n, 512)."""
    return values @ _shapley_weights().T


def share_of_change(
    errors: NDArray[np.float64], scales: NDArray[np.float64], largest: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Errors (n,) as a share of scales (n,); NaN where no tile changes the output.

    Args:
        errors: An error of each image.
        scales: What it is a share of; counts as 0 within float32 rounding.
        largest: The largest |output| (n,).
    """
    known = scales > ROUNDING * largest
    return np.where(known, errors / np.where(known, scales, 1), np.nan)
