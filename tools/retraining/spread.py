"""The spread of a number over a few trainings, by Student's t, since there are only a few."""

from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy import stats

LEVEL = 0.95  # of all intervals and bands


def t_quantile(n: int) -> float:
    """How many standard deviations, estimated from n values, a two-sided interval has to each side.

    12.7 for two values, 2.26 for ten; the normal distribution's 1.96 only for infinitely many.

    Raises:
        ValueError: There are fewer than two values.
    """
    if n < 2:
        raise ValueError(f"a spread needs at least 2 values (got {n})")
    return float(stats.t.ppf((1 + LEVEL) / 2, n - 1))


def band_factor(n: int) -> float:
    """Half the width of the band that another value falls into, in standard deviations.

    They are estimated from n values.

    Source: prediction interval of a normal distribution with unknown mean and variance,
    t · √(1 + 1/n), such as Hahn & Meeker 1991, Statistical Intervals, chapter 4.
    """
    return t_quantile(n) * float(np.sqrt(1 + 1 / n))


class Spread(NamedTuple):
    """A number over n trainings.

    Attributes:
        n: Number of trainings that have it.
        mean, deviation: Mean and standard deviation (n - 1).
        lowest, highest: The extremes.
    """

    n: int
    mean: float
    deviation: float
    lowest: float
    highest: float

    @classmethod
    def of(cls, values: NDArray[np.float64]) -> Self:
        """The spread of at least two values (n,); exactly 0 if all are equal."""
        deviation = float((values - values[0]).std(ddof=1))
        return cls(
            len(values), float(values.mean()), deviation, float(values.min()), float(values.max())
        )

    @property
    def half_width(self) -> float:
        """Half the width of the `LEVEL` interval of the mean: t · deviation / √n."""
        return t_quantile(self.n) * self.deviation / float(np.sqrt(self.n))

    @property
    def band(self) -> tuple[float, float]:
        """Where another training falls with probability `LEVEL`."""
        half = band_factor(self.n) * self.deviation
        return self.mean - half, self.mean + half
