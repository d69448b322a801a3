"""Chooses the background: training images that represent "no information", in groups."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from stages.base.errors.user import UserError
from stages.sampling.stratified import strata, stratified_sample

MOST_GROUPS = 10


def choose_background(
    labels: NDArray[np.int64], n_background: int, draw: Literal["stratified", "random"], seed: int
) -> NDArray[np.int64]:
    """Draw the background from the training split, group after group.

    Args:
        labels: True classes of the training split (n,), or 0 and 1 for each label (n, k).
        n_background: Number of images to draw.
        draw: `stratified` gives each class its share of `n_background`, rounded so that the total
            is exact, and distributes the classes evenly among the groups; `random` ignores the
            classes.
        seed: Seed of the draw.

    Returns:
        Indices in the training split (n_background,), in the order of the groups that
        `group_sizes` defines.

    Raises:
        UserError: The training split has fewer images.
    """
    n_train = len(labels)
    require_background(n_background, n_train)
    if draw == "random":
        return np.random.default_rng(seed).permutation(n_train)[:n_background]
    drawn = stratified_sample(labels, n_background, seed)
    by_class = drawn[np.argsort(strata(labels[drawn]), kind="stable")]
    n_groups = max(1, len(group_sizes(n_background)))
    return np.concatenate([by_class[group::n_groups] for group in range(n_groups)])


def require_background(n_background: int, n_train: int) -> None:
    """Reject a background that is larger than the training split.

    Raises:
        UserError: It is.
    """
    if n_background > n_train:
        raise UserError(
            f"explain.n_background: must be at most {n_train:,}, the size of the training split "
            f"(got {n_background:,})"
        )


def group_sizes(n_background: int) -> NDArray[np.int64]:
    """Sizes (g,) of the groups that a background is divided into, as by `torch.tensor_split`.

    Ten groups, or one for each image if there are fewer; none for a single image, since error bars
    need at least two groups.
    """
    if n_background < 2:
        return np.zeros(0, np.int64)
    n_groups = min(MOST_GROUPS, n_background)
    return np.array([len(group) for group in np.array_split(np.arange(n_background), n_groups)])


def standard_error(
    group_means: NDArray[np.floating], n_background: int, n_train: int
) -> NDArray[np.float64]:
    """Standard error of a mean over the background, estimated from the means over its groups.

    For g groups of b_j images with means G_j: sqrt(Σ b_j (G_j - mean)² / (b (g - 1))), times
    sqrt(1 - b / n_train), since the background is drawn without repeats.

    Args:
        group_means: Means over the groups of `group_sizes` (n, g, ...).
        n_background: Number b of images in all groups together.
        n_train: Size of the training split that they were drawn from.

    Returns:
        (n, ...), in the unit of the means.

    Source: random groups, Wolter 2007, Introduction to Variance Estimation, chapter 2.
    """
    sizes = group_sizes(n_background)
    groups = np.moveaxis(group_means, 1, 0)
    mean = np.tensordot(sizes / n_background, groups, axes=1)
    squares = np.zeros_like(mean)
    for size, group in zip(sizes, groups, strict=True):  # one at a time, to save memory
        squares += size * (group - mean) ** 2
    variance = squares / (n_background * (len(sizes) - 1))
    return np.asarray(np.sqrt(variance * (1 - n_background / n_train)))
