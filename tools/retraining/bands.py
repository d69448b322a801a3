"""Pixel by pixel: the mean map, its two sources of noise, and whether signs agree."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from stages.drawing.grain import block_sums
from tools.compare.similarity import ROUNDING
from tools.retraining.spread import band_factor


@dataclass(frozen=True)
class Bands:
    """Maps of n images by t trainings, pixel by pixel; of one class per image.

    Attributes:
        maps: Attributions, channels summed (t, n, h, w); NaN where a training has no map of the
            class. The first training has all.
        squared_errors: Squared standard errors of the maps over the background, averaged over the
            trainings (n, h, w); None without error bars.
    """

    maps: NDArray[np.floating]
    squared_errors: NDArray[np.float64] | None

    @cached_property
    def n_trainings(self) -> NDArray[np.int64]:
        """Number of trainings that have a map of each image (n,)."""
        return np.asarray(np.isfinite(self.maps[..., 0, 0]).sum(axis=0), np.int64)

    @cached_property
    def mean(self) -> NDArray[np.float64]:
        """Mean over the trainings (n, h, w), in output units per pixel."""
        return np.asarray(self.maps[0] + np.nanmean(self._from_first, axis=0))

    @cached_property
    def over_trainings(self) -> NDArray[np.float64]:
        """Standard deviation over the trainings (n, h, w); exactly 0 where all maps are equal.

        NaN for images of which only one training has a map.
        """
        return _deviation(self._from_first)

    @cached_property
    def over_backgrounds(self) -> NDArray[np.float64] | None:
        """Standard deviation over draws of the background (n, h, w), of one training's map.

        The root mean square of the trainings' standard errors; None without error bars.
        """
        return None if self.squared_errors is None else np.sqrt(self.squared_errors)

    @cached_property
    def together(self) -> NDArray[np.float64] | None:
        """Standard deviation over both (n, h, w); None without error bars.

        The variances add up, by the law of total variance. All trainings have the same background,
        so the part of the noise that depends on both is in both variances: an upper bound.
        """
        if self.squared_errors is None:
            return None
        return np.asarray(np.sqrt(self.over_trainings**2 + self.squared_errors))

    @cached_property
    def agreement(self) -> NDArray[np.float64]:
        """Share of the trainings that have each pixel's most frequent sign (n, h, w).

        The signs are -, 0 and +. 1 where all trainings agree.
        """
        counts = sum((sign_counts(maps) for maps in self.maps), start=np.zeros(1, np.int64))
        return agreement(np.asarray(counts))

    def coverage(self) -> NDArray[np.float64]:
        """How well bands hold a training that they were not made from.

        Each training in turn is left out. The band is mean ± t · √(1 + 1/n) · deviation of the n
        others. Only pixels that differ between trainings count, of images that all trainings have.

        Returns:
            Share of the pixels of each training inside the others' band (t,), about 0.95 if the
            maps are normally distributed; NaN if no pixel differs.
        """
        complete = self.n_trainings == len(self.maps)
        values = self._from_first[:, complete].reshape(len(self.maps), -1)
        values = values[:, np.ptp(values, axis=0) > 0]
        if not values.size:
            return np.full(len(self.maps), np.nan)
        inside = []
        for index, left_out in enumerate(values):
            others = np.delete(values, index, axis=0)
            half = band_factor(len(others)) * _deviation(others)
            inside.append((np.abs(left_out - others.mean(axis=0)) <= half).mean())
        return np.array(inside)

    def in_blocks(self, grain: int) -> "Bands":
        """The same for maps summed over blocks of `grain` by `grain` pixels.

        A block's error over the background is the sum of its pixels' errors, an upper bound.
        """
        if grain == 1:
            return self
        errors = self.over_backgrounds
        return Bands(
            block_sums(self.maps, grain),
            None if errors is None else block_sums(errors, grain) ** 2,
        )

    @cached_property
    def _from_first(self) -> NDArray[np.float64]:
        """Maps minus the first training's: exactly 0 where they are equal."""
        return np.asarray(np.subtract(self.maps, self.maps[0], dtype=np.float64))


def sign_counts(maps: NDArray[np.floating]) -> NDArray[np.int64]:
    """Whether the sign of each value is -, 0 (within rounding) or +, one-hot (3, …) to be added up.

    Args:
        maps: (…, h, w); NaN counts as no sign.
    """
    strongest = np.abs(maps).max(axis=(-2, -1), keepdims=True)
    small = ROUNDING * strongest
    return np.stack([maps < -small, np.abs(maps) <= small, maps > small]).astype(np.int64)


def agreement(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """The most frequent sign's share (…) of sums of `sign_counts` (3, …)."""
    return np.asarray(counts.max(axis=0) / counts.sum(axis=0))


def _deviation(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Standard deviation (n - 1) over the first axis, without NaN; exactly 0 for equal zeros."""
    known = np.isfinite(values)
    n = known.sum(axis=0)
    filled = np.where(known, values, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        squares = np.where(known, (filled - filled.sum(axis=0) / n) ** 2, 0).sum(axis=0)
        return np.asarray(np.sqrt(squares / (n - 1)))
