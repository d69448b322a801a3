"""Whether pasting the members' pixels moves hosts apart from what other images' pixels do."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

SPREADS, LOG_ODDS = 1.25, 0.25
"""Members stand apart in a host if their tenth percentile exceeds the others' 95th by this many of
the others' spreads plus this much."""


class Separation(NamedTuple):
    """How far members' effects stand above the others', for each host (t,), in log-odds.

    Attributes:
        distance: Tenth percentile of the members minus the 95th of the others.
        spread: The others' 95th percentile minus their fifth.
    """

    distance: NDArray[np.float64]
    spread: NDArray[np.float64]

    @property
    def ratio(self) -> float:
        """Median over the hosts of the distance in spreads; the members stand apart above 1.25."""
        return float(np.median(self.distance / (self.spread + LOG_ODDS / SPREADS)))

    @property
    def n_apart(self) -> int:
        """Number of hosts in which the members stand apart."""
        return int((self.distance > SPREADS * self.spread + LOG_ODDS).sum())


def separate(members: NDArray[np.float64], others: NDArray[np.float64]) -> Separation:
    """Compare the effects of members (m, t) and others (o, t) in the same hosts."""
    low, high = np.quantile(others, (0.05, 0.95), axis=0)
    return Separation(np.quantile(members, 0.1, axis=0) - high, high - low)


def rank_p(members: NDArray[np.float64], others: NDArray[np.float64]) -> float:
    """Probability of members' mean effects at least that high if membership meant nothing.

    The one-sided rank-sum test of the images' means over hosts; uniform if the members are drawn
    at random, since only their ranks among all images count.

    Args:
        members: Effects (m, t).
        others: Effects in the same hosts (o, t).

    Source: Mann & Whitney 1947, Annals of Mathematical Statistics 18.
    """
    from scipy.stats import mannwhitneyu  # here: slow, and not needed if nothing is searched

    means = members.mean(axis=1), others.mean(axis=1)
    return float(mannwhitneyu(*means, alternative="greater").pvalue)


def sign_p(separation: Separation) -> float:
    """Probability of that many hosts if members stood apart in half of all possible hosts."""
    from scipy.stats import binomtest

    n_hosts = len(separation.distance)
    return float(binomtest(separation.n_apart, n_hosts, 0.5, alternative="greater").pvalue)


def holm(p_values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Adjusted p-values (q,), each to be compared with the level of the whole family.

    Source: Holm 1979, Scandinavian Journal of Statistics 6.
    """
    n = len(p_values)
    order = np.argsort(p_values, kind="stable")
    adjusted = np.maximum.accumulate(p_values[order] * np.arange(n, 0, -1)).clip(max=1)
    result = np.empty(n)
    result[order] = adjusted
    return result
