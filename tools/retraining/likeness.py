"""How alike the maps of any two trainings are, and how sure their mean is."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tools.compare.similarity import standardised
from tools.retraining.spread import t_quantile


@dataclass(frozen=True)
class Likeness:
    """Similarities of the maps of t trainings.

    Attributes:
        by_image: Pearson correlation over the pixels, with signs, of each image's maps by two
            trainings (n, t, t): 1 for equal maps, NaN where a training has no map.
    """

    by_image: NDArray[np.float64]

    @classmethod
    def of(cls, maps: NDArray[np.floating]) -> "Likeness":
        """Compare maps (t, n, h, w); NaN where a training has no map."""
        t, n = maps.shape[:2]
        flat = maps.reshape(t, n, -1)
        found = np.empty((n, t, t))
        for image in range(n):
            rows = flat[:, image]
            scaled = standardised(rows)
            correlations = np.clip(scaled @ scaled.T, -1, 1)
            known = np.isfinite(rows).all(axis=1)
            equal = (rows[:, None] == rows[None]).all(axis=2)
            correlations[equal] = 1.0
            correlations[~known] = correlations[:, ~known] = np.nan
            found[image] = correlations
        return cls(found)

    @cached_property
    def by_pair(self) -> NDArray[np.float64]:
        """Mean over the images, for each pair of trainings (t, t); 1 on the diagonal."""
        return _mean(self.by_image, axis=0)

    @cached_property
    def of_images(self) -> NDArray[np.float64]:
        """Mean over all pairs of trainings (n,); NaN where fewer than two have a map."""
        upper = np.triu_indices(self.by_image.shape[1], 1)
        return _mean(self.by_image[:, upper[0], upper[1]], axis=1)

    @property
    def mean(self) -> float:
        """Mean over all pairs of trainings and all images: `retraining_similarity`."""
        return _over_pairs(self.by_pair)

    @property
    def error(self) -> float:
        """Standard error of `mean` over the trainings, for these images.

        Pairs share trainings, so they are not independent; the jackknife leaves out one training at
        a time with all of its pairs. 0 if all maps are equal.

        Source: Arvesen 1969, Jackknifing U-statistics, Annals of Mathematical Statistics 40.
        """
        t = len(self.by_pair)
        left = [np.delete(np.delete(self.by_pair, k, axis=0), k, axis=1) for k in range(t)]
        means = np.array([_over_pairs(pairs) for pairs in left])
        return float(np.sqrt((t - 1) / t * ((means - means.mean()) ** 2).sum()))

    @property
    def half_width(self) -> float:
        """Half the width of the `LEVEL` interval of `mean`, by Student's t."""
        return t_quantile(len(self.by_pair)) * self.error


def _over_pairs(by_pair: NDArray[np.float64]) -> float:
    upper = by_pair[np.triu_indices(len(by_pair), 1)]
    return 1.0 if (upper == 1).all() else float(upper.mean())


def _mean(values: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    """Mean without NaN; NaN, without a warning, where nothing is known."""
    known = np.isfinite(values)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(known, values, 0).sum(axis=axis) / known.sum(axis=axis))
