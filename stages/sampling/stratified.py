"""Stratified samples: each class keeps its share of the images."""

import numpy as np
from numpy.typing import NDArray


def stratified_sample(labels: NDArray[np.int64], size: int, seed: int) -> NDArray[np.int64]:
    """Draw images so that each class keeps its share, to within one image.

    Args:
        labels: True classes (n,).
        size: Number of images to draw, at most n.
        seed: Seed of the draw.

    Returns:
        Indices of the drawn images (size,), ascending, without repeats.
    """
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    # In class order, evenly spaced picks select from each class in proportion to its size.
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    picks = ((np.arange(size) + 0.5) * len(labels) / size).astype(np.int64)
    return np.sort(by_class[picks])
