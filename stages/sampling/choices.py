"""Chooses the test images to explain."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from stages.artifacts.predictions import Predictions
from stages.artifacts.splits import Names, SplitName
from stages.base.errors.user import UserError
from stages.params.explain import CHOICES
from stages.sampling.names import indices_of, require_indices

Indices = NDArray[np.int64]


def choose_images(
    wanted: str | Sequence[str | int],
    n_images: int,
    seed: int,
    predictions: Predictions,
    not_tested: Mapping[SplitName, Names],
) -> Indices:
    """The test images selected by the parameter `explain.images`.

    Args:
        wanted: One of `CHOICES`, or a list of choices, positions in the test split and image
            names. A string that is both a choice and a name selects the choice.
        n_images: Number of images for `first`, `random` and `mistakes`.
        seed: Seed for `random`.
        predictions: Predictions for the test split.
        not_tested: Names of the images in other splits, for error messages.

    Returns:
        Positions in the test split (n,): in its order for `first` and `all`, as drawn for
        `random`, by class for `per_class`, the highest probability first for `mistakes`; item
        after item for a list.

    Raises:
        UserError: A position is outside the test split, names are not in it (all are listed), or
            no image matches.
    """
    items = [wanted] if isinstance(wanted, str) else list(wanted)
    require_indices([item for item in items if isinstance(item, int)], predictions.names)
    named = [item for item in items if isinstance(item, str) and item not in CHOICES]
    found = dict(zip(named, indices_of(named, predictions.names, not_tested), strict=True))
    selected: list[Sequence[int] | Indices] = []
    for item in items:
        if isinstance(item, int):
            selected.append([item])
        elif item in CHOICES:
            selected.append(_choose(item, n_images, seed, predictions))
        else:
            selected.append([found[item]])
    chosen = np.concatenate(selected).astype(np.int64)
    if len(chosen) == 0:
        raise UserError(
            f"explain.images: none of the {len(predictions.labels):,} test images matches "
            f"{wanted!r}; choose another of {', '.join(CHOICES)}"
        )
    return chosen


def _choose(choice: str, n_images: int, seed: int, predictions: Predictions) -> Indices:
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
