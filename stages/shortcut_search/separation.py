"""Whether pasting the members' pixels moves hosts apart from what other images' pixels do."""

import numpy as np
from numpy.typing import NDArray

Effects = NDArray[np.float64]

SPREADS, LOG_ODDS = 1.25, 0.25
"""Members stand apart in a host if their tenth percentile exceeds the others' 95th by this many of
the others' spreads plus this much."""

SUPERIORITY = 0.9
"""Members by a mark stand apart in a host if this share of all pairs of a member and another image
have the member in front."""


def standing(members: Effects, others: Effects) -> NDArray[np.float64]:
    """How far members stand above the others in each host (t,); apart above 1.

    This is strict, so that graded evidence of a class does not pass.

    Args:
        members: Effects (m, t), in log-odds.
        others: Effects in the same hosts (o, t).
    """
    low, high = np.quantile(others, (0.05, 0.95), axis=0)
    distance = np.quantile(members, 0.1, axis=0) - high
    return np.asarray(distance / (SPREADS * (high - low) + LOG_ODDS))


def standing_by_pairs(members: Effects, others: Effects) -> NDArray[np.float64]:
    """The same where a mark is known by other means; 0 where members are like the others."""
    pairs = members[:, None] > others[None]
    return np.asarray((pairs.mean(axis=(0, 1)) - 0.5) / (SUPERIORITY - 0.5))


def rank_p(members: Effects, others: Effects) -> float:
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


def sign_p(standings: NDArray[np.float64]) -> float:
    """Probability of that many hosts (t,) if members stood apart in half of all possible hosts."""
    from scipy.stats import binomtest

    n_apart = int((standings > 1).sum())
    return float(binomtest(n_apart, len(standings), 0.5, alternative="greater").pvalue)


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
