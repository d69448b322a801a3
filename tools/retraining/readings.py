"""Whether the maps of an image fall into two readings, as of networks that read a 4 differently.

Any set of maps can be cut in two. So a cut counts only if it is better than nearly all cuts of maps
drawn from one normal distribution with the same spread in each direction.

Source: SigClust, Liu, Hayes, Nobel & Marron 2008, Statistical Significance of Clustering for
High-Dimension, Low-Sample Size Data, JASA 103.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tools.compare.similarity import standardised

CHANCE = 0.05  # share of the images that chance alone cuts, at most, on average
FEWEST = 2  # trainings in a reading: a single one is an outlier, not a reading
FEW_DRAWS, MANY_DRAWS = 199, 1999  # most images are clear after a few
SEED = 0  # of these draws
STEPS = 10  # of Lloyd's algorithm
SMALLEST = 1e-12  # squared spread of standardised maps below which they are equal


def find_readings(
    maps: NDArray[np.floating], done: Callable[[], object] = lambda: None
) -> tuple[NDArray[np.int8], NDArray[np.float64]]:
    """Find the images whose maps fall into two readings.

    Args:
        maps: (t, n, h, w); NaN where a training has no map.
        done: Called after each image.

    Returns:
        The reading of each training (n, t), 1 for the first training's and 2 for the other, 0 where
        there are no readings or no map; p-values of the cuts (n,).
    """
    t, n = maps.shape[:2]
    cuts, p_values = np.zeros((n, t), np.int8), np.ones(n)
    for image in range(n):
        rows = maps[:, image].reshape(t, -1)
        known = np.isfinite(rows).all(axis=1)
        labels, p_values[image] = cut(rows[known], np.random.default_rng((SEED, image)))
        cuts[image, known] = labels
        done()
    cuts[p_values > CHANCE] = 0
    return cuts, p_values


def cut(rows: NDArray[np.floating], random: np.random.Generator) -> tuple[NDArray[np.int8], float]:
    """Cut maps (t, p) in two by their shape; return the reading of each (1 or 2) and a p-value."""
    scaled = standardised(rows)
    centred = scaled - scaled.mean(axis=0)
    gram = centred @ centred.T
    values, vectors = np.linalg.eigh(gram)
    values = values.clip(min=0)
    nothing = np.zeros(len(rows), np.int8)
    if len(rows) < 2 * FEWEST or values.sum() < SMALLEST:
        return nothing, 1.0
    points = (vectors * np.sqrt(values))[None]  # (1, t, directions)
    found, sides = _two_means(points)
    if min(np.bincount(sides[0], minlength=2)) < FEWEST:
        return nothing, 1.0
    deviations = np.sqrt(values / (len(rows) - 1))
    p_value = _p_value(found[0], deviations, random)
    return (1 + (sides[0] != sides[0, 0])).astype(np.int8), p_value


def _p_value(found: float, deviations: NDArray[np.float64], random: np.random.Generator) -> float:
    """How often maps of one normal distribution can be cut as well; most are clear at once."""
    t, better, drawn = len(deviations), 0, 0
    for n_draws in (FEW_DRAWS, MANY_DRAWS - FEW_DRAWS):
        points = random.normal(size=(n_draws, t, t)) * deviations
        better += int((_two_means(points)[0] <= found).sum())
        drawn += n_draws
        if better > CHANCE * drawn:
            break
    return (better + 1) / (drawn + 1)


def _two_means(points: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Cut sets of points (d, t, q) in two, starting at the strongest direction's median.

    Returns:
        Share of each set's squared spread that is left inside the two sides (d,), and the side of
        each point (d, t), 0 or 1.
    """
    points = points - points.mean(axis=1, keepdims=True)
    _, vectors = np.linalg.eigh(points @ points.transpose(0, 2, 1))
    along = vectors[..., -1]
    sides = (along > np.median(along, axis=1, keepdims=True)).astype(np.int64)
    total = (points**2).sum(axis=(1, 2))
    for _ in range(STEPS):
        centres = np.stack([_centres(points, sides == side) for side in (0, 1)], axis=1)
        distances = ((points[:, :, None] - centres[:, None]) ** 2).sum(axis=3)  # (d, t, 2)
        sides = distances.argmin(axis=2)
    return distances.min(axis=2).sum(axis=1) / total, sides


def _centres(points: NDArray[np.float64], chosen: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Mean of the chosen points of each set (d, q); 0 where none is chosen."""
    counts = chosen.sum(axis=1, keepdims=True).clip(min=1)
    return np.asarray((points * chosen[..., None]).sum(axis=1) / counts)
