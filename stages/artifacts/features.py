"""Features of training images in `data/features`: evaluate writes them.

They tell how far a user's picture is from the training images, for the explorer page and
`tools/explain.py`.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from stages.base.files.arrays import load_npy
from stages.base.files.atomic import new_folder

FOLDER = Path("data/features")
N_NEIGHBOURS = 5
FAR = 99  # percent of the test images that are nearer than a picture that looks unlike them all
_LARGEST = 127  # int8


@dataclass(frozen=True)
class TrainingFeatures:
    """Features of training images, and how far the test images are from them.

    Features are the input of the network's last layer with weights. A picture's distance is one
    minus its cosine similarity to the features of training images, averaged over the
    `N_NEIGHBOURS` most similar ones.

    Attributes:
        vectors: Features of r training images (r, d), int8; only their directions count.
        quantiles: Distances of the test images at 0, 1, …, 100 percent (101,), float64.

    Source: distances to nearest neighbours in normalised features, Sun et al. 2022,
    arXiv:2204.06507.
    """

    vectors: NDArray[np.int8]
    quantiles: NDArray[np.float64]

    @classmethod
    def of(cls, training: NDArray[np.floating], test: NDArray[np.floating]) -> Self:
        """Round the features of training images (r, d), and measure those of test images (t, d)."""
        largest = np.abs(training).max(axis=1, keepdims=True)
        vectors = np.rint(training * (_LARGEST / np.where(largest > 0, largest, 1)))
        rounded = cls(vectors.astype(np.int8), np.zeros(101))
        return cls(rounded.vectors, np.percentile(rounded.distances(test), np.arange(101)))

    def save(self, folder: Path = FOLDER) -> None:
        """Write `vectors.npy` and `quantiles.npy`."""
        with new_folder(folder) as new:
            np.save(new / "vectors.npy", self.vectors)
            np.save(new / "quantiles.npy", self.quantiles)

    @classmethod
    def load(cls, folder: Path = FOLDER) -> Self:
        """Load what `save` wrote."""
        return cls(load_npy(folder / "vectors.npy"), load_npy(folder / "quantiles.npy"))

    def distances(self, features: NDArray[np.floating]) -> NDArray[np.float64]:
        """Distances (n,) of features (n, d) from the training images, 0 … 2."""
        similarities = _unit(features) @ _unit(self.vectors).T
        n = min(N_NEIGHBOURS, len(self.vectors))
        nearest = np.partition(similarities, -n, axis=1)[:, -n:]
        return np.asarray(1 - nearest.mean(axis=1))

    def percent_nearer(self, distance: float) -> int:
        """Percentage of the test images that are nearer than a distance, rounded down."""
        return max(0, int(np.searchsorted(self.quantiles, distance)) - 1)


def _unit(vectors: NDArray[np.floating] | NDArray[np.int8]) -> NDArray[np.float64]:
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    return np.asarray(vectors / np.where(lengths > 0, lengths, 1))
