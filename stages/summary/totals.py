"""Totals over all attributions, read once since they may be larger than memory."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from stages.artifacts.explanation import Explanation
from stages.core.errors import UserError

PERCENTILE = 99.9


@dataclass(frozen=True)
class Summary:
    """What the attributions of a run amount to.

    n images, m maps of each, h height, w width, k classes.

    Attributes:
        limit: The 99.9th percentile of |attribution| over all images, pixels and maps
            (channels summed), output units per pixel; the largest one where that is 0, and 1
            where all are 0.
        sums: Attribution of each map, summed over channels and pixels (n, m), output units.
        totals: Σ|attribution| over channels and pixels (n, m), output units.
        strengths: Sum over pixels of |attribution| to each class, mean over the images that have a
            map of it (k,), NaN where none has; channels are summed first.
        counts: Number of explained images of each true class that have a map of it (k,).
        means: Attribution to each class, mean over these images (k, h, w), 0 where there is none.
        mean_strengths: The same of |attribution| (k, h, w).
    """

    limit: float
    sums: NDArray[np.float64]
    totals: NDArray[np.float64]
    strengths: NDArray[np.float64]
    counts: NDArray[np.int64]
    means: NDArray[np.float64]
    mean_strengths: NDArray[np.float64]


def summarise(explanation: Explanation) -> Summary:
    """Read all attributions once.

    Raises:
        UserError: A value is not finite; names the image.
    """
    n_images, _, height, width, n_maps = explanation.values.shape
    classes, labels, n_classes = (
        explanation.classes,
        explanation.labels,
        len(explanation.class_names),
    )
    of_true = explanation.places(labels)
    highest = _Highest(PERCENTILE, n_images * height * width * n_maps)
    sums, totals = np.empty((2, n_images, n_maps))
    strengths = np.zeros(n_classes)
    counts = np.bincount(labels[of_true >= 0], minlength=n_classes)
    means, mean_strengths = np.zeros((2, n_classes, height, width))
    images = tqdm(
        explanation.values, desc="read values", unit="image", leave=False, delay=1, disable=None
    )
    for image, values in enumerate(images):
        totals[image] = np.abs(values).sum(axis=(0, 1, 2), dtype=np.float64)
        maps = values.sum(axis=0, dtype=np.float64)  # (h, w, k)
        sums[image] = maps.sum(axis=(0, 1))
        if not np.isfinite(sums[image]).all():
            raise UserError(
                f"the attributions of image {explanation.names[image]} are not all finite; "
                "look at the explain stage's method and the network's outputs"
            )
        label, own = labels[image], of_true[image]
        if own >= 0:
            means[label] += maps[..., own] / counts[label]
            mean_strengths[label] += np.abs(maps[..., own]) / counts[label]
        strong = np.abs(maps, out=maps)
        strengths[classes[image]] += strong.sum(axis=(0, 1))
        highest.add(strong)
    n_of_class = np.bincount(classes.ravel(), minlength=n_classes)
    strengths = np.where(n_of_class > 0, strengths, np.nan) / n_of_class.clip(min=1)
    limit = highest.percentile() or highest.maximum() or 1.0
    return Summary(limit, sums, totals, strengths, counts, means, mean_strengths)


class _Highest:
    """The exact percentile of a known number of values >= 0 that come in parts."""

    def __init__(self, percentile: float, n_values: int) -> None:
        rank = (n_values - 1) * percentile / 100  # between two values: NumPy's linear rule
        self.keep = n_values - int(rank)
        self.between = rank - int(rank)
        self.highest = np.zeros(0)
        self.least = -1.0

    def add(self, values: NDArray[np.float64]) -> None:
        self.highest = np.append(self.highest, values[values > self.least])
        if len(self.highest) > 2 * self.keep:
            self._cut()

    def _cut(self) -> None:
        if len(self.highest) > self.keep:
            self.highest = np.partition(self.highest, -self.keep)[-self.keep :]
            self.least = float(self.highest.min())

    def percentile(self) -> float:
        self._cut()
        lower, upper = np.sort(self.highest)[[0, min(1, self.keep - 1)]]
        return float(lower + self.between * (upper - lower))

    def maximum(self) -> float:
        return float(self.highest.max())
