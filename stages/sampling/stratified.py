"""Samples in which each class keeps its share."""

import numpy as np
from numpy.typing import NDArray


def stratified_sample(labels: NDArray[np.int64], size: int, seed: int) -> NDArray[np.int64]:
    """Draw positions so that each class keeps its share, to within one.

    Args:
        labels: Classes (n,).
        size: How many positions to draw, at most n.
        seed: Seed of the draw.

    Returns:
        Positions (size,), ascending, without repeats.
    """
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    # Sorted by class, evenly spaced picks fall on each class in proportion to its size.
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    picks = ((np.arange(size) + 0.5) * len(labels) / size).astype(np.int64)
    return np.sort(by_class[picks])
