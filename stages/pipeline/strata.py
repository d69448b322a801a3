"""Drawing some of many so that each class keeps its share."""

import numpy as np
from numpy.typing import NDArray


def stratified_picks(labels: NDArray[np.int64], n_wanted: int, seed: int) -> NDArray[np.int64]:
    """Draw positions, each class by its share, to within one, with the total as wanted.

    Args:
        labels: Classes (n,).
        n_wanted: How many, at most n.
        seed: Which ones.

    Returns:
        Positions (n_wanted,), ascending, without repeats.
    """
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    # Classes side by side, shuffled inside: evenly spaced picks then meet each by its share.
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    picks = ((np.arange(n_wanted) + 0.5) * len(labels) / n_wanted).astype(np.int64)
    return np.sort(by_class[picks])
