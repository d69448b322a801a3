"""Draws in which each class keeps its share."""

import numpy as np
from numpy.typing import NDArray


def stratified_picks(labels: NDArray[np.int64], n_picks: int, seed: int) -> NDArray[np.int64]:
    """Draw positions so that each class keeps its share, to within one.

    Args:
        labels: Classes (n,).
        n_picks: How many, at most n.
        seed: Which ones.

    Returns:
        Positions (n_picks,), ascending, without repeats.
    """
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    # With the classes side by side, evenly spaced picks meet each one by its share.
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    picks = ((np.arange(n_picks) + 0.5) * len(labels) / n_picks).astype(np.int64)
    return np.sort(by_class[picks])
