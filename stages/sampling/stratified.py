"""Stratified samples: each class keeps its share of the images."""

import numpy as np
from numpy.typing import NDArray


def strata(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """The stratum of each image (n,): its class or, with several labels, the rarest of them.

    The rarest labels need it most that each part gets its share of them. Images without any label
    are a stratum of their own.

    Args:
        labels: True classes (n,), or 0 and 1 for each label (n, k).
    """
    if labels.ndim == 1:
        return labels
    n_images, n_labels = labels.shape
    by_rarity = np.argsort(labels.sum(axis=0), kind="stable")
    ordered = np.hstack([labels[:, by_rarity], np.ones((n_images, 1), np.int64)])
    stratum: NDArray[np.int64] = np.append(by_rarity, n_labels)[ordered.argmax(axis=1)]
    return stratum


def stratified_sample(labels: NDArray[np.int64], size: int, seed: int) -> NDArray[np.int64]:
    """Draw images so that each class keeps its share, to within one image.

    Args:
        labels: True classes (n,), or 0 and 1 for each label (n, k); then each of the `strata`
            keeps its share.
        size: Number of images to draw, at most n.
        seed: Seed of the draw.

    Returns:
        Indices of the drawn images (size,), ascending, without repeats.
    """
    labels = strata(labels)
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    # In class order, evenly spaced picks select from each class in proportion to its size.
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    picks = ((np.arange(size) + 0.5) * len(labels) / size).astype(np.int64)
    return np.sort(by_class[picks])
