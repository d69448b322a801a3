"""The strategies of a class: at most three groups of images whose maps differ most."""

import warnings
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.artifacts.shortcuts import N_TYPICAL, NONE
from stages.shortcut_search.rule import Maps

MOST_GROUPS = 3
LEAST_SHARE = 0.03  # of the images, in a group
WORTH_DIVIDING = 0.05  # least mean silhouette
SIDE = 7  # rows and columns that maps are reduced to, about: strategies are coarse


class Strategy(NamedTuple):
    """Images of a class whose maps are alike.

    Attributes:
        rows: Their indices among the images of the class, the most typical first.
        mean: Their mean map (gh, gw).
    """

    rows: NDArray[np.int64]
    mean: NDArray[np.float64]

    @property
    def typical(self) -> NDArray[np.int64]:
        """The three most typical images (3,), or `NONE`."""
        return np.append(self.rows, [NONE] * N_TYPICAL)[:N_TYPICAL].astype(np.int64)


def strategies(maps: Maps, seed: int) -> list[Strategy]:
    """Divide the images of a class into groups, the largest first.

    Args:
        maps: Block sums of their attributions (n, gh, gw).
        seed: For the start of the clustering.

    Source: k-means with the number of groups by silhouettes, Rousseeuw 1987, Journal of
    Computational and Applied Mathematics 20; of attributions, Lapuschkin et al. 2019,
    arXiv:1902.10178.
    """
    from sklearn.cluster import KMeans  # here: slow, and not needed if nothing is searched
    from sklearn.metrics import silhouette_score

    features = _features(maps)
    groups = np.zeros(len(maps), np.int64)
    best = WORTH_DIVIDING
    for n_groups in range(2, MOST_GROUPS + 1):
        if len(np.unique(features, axis=0)) <= n_groups:
            break
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # hints on memory leaks of other platforms
            found = KMeans(n_groups, n_init=4, random_state=seed).fit_predict(features)
        smallest = np.bincount(found, minlength=n_groups).min()
        if smallest >= max(2, LEAST_SHARE * len(maps)):
            score = float(silhouette_score(features, found))
            if score > best:
                best, groups = score, found
    result = []
    for group in np.unique(groups):
        rows = np.flatnonzero(groups == group)
        distances = ((features[rows] - features[rows].mean(axis=0)) ** 2).sum(axis=1)
        ordered = rows[np.argsort(distances, kind="stable")]
        result.append(Strategy(ordered, np.asarray(maps[rows].mean(axis=0, dtype=np.float64))))
    return sorted(result, key=lambda strategy: (-len(strategy.rows), strategy.rows.min()))


def _features(maps: Maps) -> NDArray[np.float64]:
    """Coarse maps of length 1 (n, d)."""
    rows, columns = (np.arange(0, size, max(1, size // SIDE)) for size in maps.shape[1:])
    coarse = np.add.reduceat(np.add.reduceat(maps.astype(np.float64), rows, 1), columns, 2)
    flat = coarse.reshape(len(maps), -1)
    return np.asarray(flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-12))
