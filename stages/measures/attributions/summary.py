"""Summarises all attributions in one pass, since they may be larger than memory."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stages.artifacts.explanation import Explanation
from stages.base.errors.user import UserError
from stages.base.run.bars import ProgressBar
from stages.drawing.grain import block_sums, is_fine

PERCENTILE = 99.9
FINE_PERCENTILE = 99.0  # of blocks of large images: fewer than pixels, and lone ones are strong


@dataclass(frozen=True)
class Summary:
    """Totals and class means of a run's attributions.

    n images, m maps of each, h height, w width, k classes.

    Attributes:
        percentile: Which percentile `limits` are: 99.9, or 99 for large images.
        limits: By grain, the percentile of |attribution| over all images, blocks and maps (channels
            summed), output units per block; the maximum where that is 0, and 1 where all
            attributions are 0.
        sums: Attribution of each map, summed over channels and pixels (n, m), output units.
        strengths: Sum over pixels of |attribution| to each class, mean over the images that have a
            map of it (k,), NaN where none has; channels are summed first.
        counts: Number of explained images of each true class that have a map of it (k,).
        means: Attribution to each class by block of the first grain, mean over these images
            (k, h', w'), 0 without such images.
        mean_strengths: The mean of |attribution|, likewise (k, h', w').
    """

    percentile: float
    limits: Mapping[int, float]
    sums: NDArray[np.float64]
    strengths: NDArray[np.float64]
    counts: NDArray[np.int64]
    means: NDArray[np.float64]
    mean_strengths: NDArray[np.float64]


def summarise(explanation: Explanation, grains: Sequence[int] = (1,)) -> Summary:
    """Read all attributions once.

    Args:
        explanation: n images.
        grains: Sides in pixels of the blocks that the pictures sum attributions over, each once.

    Raises:
        UserError: A value is not finite; names the image.
    """
    n_images, _, height, width, n_maps = explanation.values.shape
    classes, n_classes = explanation.classes, len(explanation.class_names)
    is_true = np.take_along_axis(explanation.is_true, classes, axis=1)
    percentile = FINE_PERCENTILE if is_fine((height, width)) else PERCENTILE
    limits = _Limits(percentile, explanation.values.shape, grains)
    sums = np.empty((n_images, n_maps))
    strengths = np.zeros(n_classes)
    counts = np.bincount(classes[is_true], minlength=n_classes)
    means, mean_strengths = np.zeros(
        (2, n_classes, -(-height // grains[0]), -(-width // grains[0]))
    )
    images = ProgressBar(explanation.values, desc="read values", unit="image")
    for index, values in enumerate(images):
        maps = values.sum(axis=0, dtype=np.float64).transpose(2, 0, 1)  # (m, h, w)
        sums[index] = maps.sum(axis=(1, 2))
        if not np.isfinite(sums[index]).all():
            raise UserError(
                f"the attributions of image {explanation.names[index]} are not all finite; "
                "look at the explain stage's method and the network's outputs"
            )
        for map_index in np.flatnonzero(is_true[index]):
            label = classes[index, map_index]
            blocks = block_sums(maps[map_index], grains[0])
            means[label] += blocks / counts[label]
            mean_strengths[label] += np.abs(blocks) / counts[label]
        strengths[classes[index]] += np.abs(maps).sum(axis=(1, 2))
        limits.add(maps)
    n_maps_by_class = np.bincount(classes.ravel(), minlength=n_classes)
    strengths = np.where(n_maps_by_class > 0, strengths, np.nan) / n_maps_by_class.clip(min=1)
    return Summary(percentile, limits.by_grain(), sums, strengths, counts, means, mean_strengths)


class _Limits:
    """The limit of each grain, from maps added image by image."""

    def __init__(self, percentile: float, shape: tuple[int, ...], grains: Sequence[int]) -> None:
        n_images, _, height, width, n_maps = shape
        self.highest = {
            grain: _Highest(
                percentile, n_images * n_maps * -(-height // grain) * -(-width // grain)
            )
            for grain in grains
        }

    def add(self, maps: NDArray[np.float64]) -> None:
        for grain, highest in self.highest.items():
            highest.add(np.abs(block_sums(maps, grain)))

    def by_grain(self) -> dict[int, float]:
        return {
            grain: highest.percentile() or highest.maximum() or 1.0
            for grain, highest in self.highest.items()
        }


class _Highest:
    """The exact percentile of a known number of values >= 0, added in batches."""

    def __init__(self, percentile: float, n_values: int) -> None:
        rank = (n_values - 1) * percentile / 100  # fractional: NumPy's linear interpolation
        self.keep = n_values - int(rank)
        self.fraction = rank - int(rank)
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
        return float(lower + self.fraction * (upper - lower))

    def maximum(self) -> float:
        return float(self.highest.max())
