"""Which test images are explained, and which training images they are compared with."""

import numpy as np
from numpy.typing import NDArray

from stages.params.explain import CHOICES, Explain
from stages.pipeline.errors import UserError
from stages.pipeline.mistakes import surest_mistakes
from stages.pipeline.strata import stratified_picks

Positions = NDArray[np.int64]


def choose_images(
    options: Explain, probabilities: NDArray[np.floating], labels: NDArray[np.int64]
) -> Positions:
    """Choose the test images that `explain.images` asks for.

    Args:
        options: `images` says which, `n_images` how many of them, `seed` draws the random ones.
        probabilities: Predictions for the test split (n, k).
        labels: Its true classes (n,).

    Returns:
        Positions in the test split: in its order for `first` and `all`, as drawn for `random`, by
        class for `per_class`, the surest first for `mistakes`; one after the other for a list.

    Raises:
        UserError: A position lies outside the test split, or no image is as asked for.
    """
    wanted = options.images if isinstance(options.images, list) else [options.images]
    _require_inside([item for item in wanted if isinstance(item, int)], len(labels))
    chosen = np.concatenate(
        [
            _chosen(item, options, probabilities, labels) if isinstance(item, str) else [item]
            for item in wanted
        ]
    ).astype(np.int64)
    if len(chosen) == 0:
        raise UserError(
            f"explain.images: the test split of {len(labels):,} images has none for "
            f"{options.images!r}; choose another of {', '.join(CHOICES)}"
        )
    return chosen


def _chosen(
    choice: str, options: Explain, probabilities: NDArray[np.floating], labels: Positions
) -> Positions:
    n_test, n_classes = probabilities.shape
    match choice:
        case "first":
            return np.arange(n_test)[: options.n_images]
        case "random":
            return np.random.default_rng(options.seed).permutation(n_test)[: options.n_images]
        case "per_class":
            correct = np.where(probabilities.argmax(axis=1) == labels, labels, -1)
            found = [np.flatnonzero(correct == label)[:1] for label in range(n_classes)]
            return np.concatenate(found)
        case "mistakes":
            return surest_mistakes(probabilities, labels)[: options.n_images]
        case _:
            return np.arange(n_test)


def _require_inside(positions: list[int], n_test: int) -> None:
    outside = [position for position in positions if position >= n_test]
    if outside:
        raise UserError(
            f"explain.images: positions must lie in 0 … {n_test - 1}, the test split "
            f"(got {', '.join(map(str, outside))})"
        )


def choose_background(options: Explain, labels: NDArray[np.int64]) -> Positions:
    """Draw the background from the training split.

    Args:
        options: `n_background` says how many, `background` how, `seed` which.
        labels: True classes of the training split (n,).

    Returns:
        Positions in the training split, ascending. For `stratified`, each class gets its share of
        `n_background`, rounded so that the total holds.

    Raises:
        UserError: More are asked for than there are.
    """
    n_train, n_wanted = len(labels), options.n_background
    if n_wanted > n_train:
        raise UserError(
            f"explain.n_background: must be at most {n_train:,}, the size of the training split "
            f"(got {n_wanted:,})"
        )
    if options.background == "stratified":
        return stratified_picks(labels, n_wanted, options.seed)
    return np.sort(np.random.default_rng(options.seed).permutation(n_train)[:n_wanted])
