"""Which test images are explained."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from stages.artifacts.predictions import Predictions
from stages.artifacts.splits import Names, SplitName
from stages.base.errors.user import UserError
from stages.params.explain import CHOICES
from stages.sampling.names import positions_of, require_positions

Positions = NDArray[np.int64]


def choose_images(
    wanted: str | Sequence[str | int],
    n_images: int,
    seed: int,
    predictions: Predictions,
    not_tested: Mapping[SplitName, Names],
) -> Positions:
    """Choose test images as the parameter `explain.images` says.

    Args:
        wanted: One of `CHOICES`, or a list of these, of positions and of names. Of an image with
            the name of a choice, the choice is meant.
        n_images: How many, for `first`, `random` and `mistakes`.
        seed: For `random`.
        predictions: Predictions for the test split.
        not_tested: Names in other splits, for the message about a name that is not found.

    Returns:
        Positions in the test split: in its order for `first` and `all`, as drawn for `random`, by
        class for `per_class`, the highest probability first for `mistakes`; for a list, one choice
        after the other.

    Raises:
        UserError: A position lies outside the test split, a name is not in it (lists all such
            names), or no image matches.
    """
    items = [wanted] if isinstance(wanted, str) else list(wanted)
    positions = [item for item in items if isinstance(item, int)]
    require_positions(positions, predictions.names)
    named = [item for item in items if isinstance(item, str) and item not in CHOICES]
    found = dict(zip(named, positions_of(named, predictions.names, not_tested), strict=True))
    parts: list[Sequence[int] | Positions] = []
    for item in items:
        if isinstance(item, int):
            parts.append([item])
        elif item in CHOICES:
            parts.append(_choose(item, n_images, seed, predictions))
        else:
            parts.append([found[item]])
    chosen = np.concatenate(parts).astype(np.int64)
    if len(chosen) == 0:
        raise UserError(
            f"explain.images: none of the {len(predictions.labels):,} test images matches "
            f"{wanted!r}; choose another of {', '.join(CHOICES)}"
        )
    return chosen


def _choose(choice: str, n_images: int, seed: int, predictions: Predictions) -> Positions:
    n_test, n_classes = predictions.probabilities.shape
    match choice:
        case "first":
            return np.arange(n_test)[:n_images]
        case "random":
            return np.random.default_rng(seed).permutation(n_test)[:n_images]
        case "per_class":
            labels = predictions.labels
            correct = np.where(predictions.predicted == labels, labels, -1)
            examples = [np.flatnonzero(correct == label)[:1] for label in range(n_classes)]
            return np.concatenate(examples)
        case "mistakes":
            return predictions.mistakes[:n_images]
        case _:
            return np.arange(n_test)
