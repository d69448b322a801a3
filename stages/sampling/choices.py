"""Chooses the test images to explain."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from stages.artifacts.predictions import Predictions
from stages.artifacts.splits import Names, SplitName, occurs
from stages.base.errors.user import UserError
from stages.params.explain import CHOICES
from stages.sampling.names import indices_of, require_indices

MOST_NAMED = 10  # classes in a message

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
    items = _items(wanted)
    found = find_images(wanted, predictions.names, not_tested)
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


def find_images(
    wanted: str | Sequence[str | int], names: Names, not_tested: Mapping[SplitName, Names]
) -> dict[str, int]:
    """Positions in the test split of the images that `explain.images` names, by name.

    Args:
        wanted: As for `choose_images`.
        names: Names of the test images.
        not_tested: Names of the images in other splits, for error messages.

    Raises:
        UserError: A position is outside the test split, or names are not in it (all are listed).
    """
    items = _items(wanted)
    require_indices([item for item in items if isinstance(item, int)], names)
    named = [item for item in items if isinstance(item, str) and item not in CHOICES]
    return dict(zip(named, indices_of(named, names, not_tested), strict=True))


def report_unrepresented(
    wanted: str | Sequence[str | int], labels: NDArray[np.int64], class_names: Sequence[str]
) -> None:
    """Print which classes `per_class` has no image of, since no test image has them.

    Args:
        wanted: As for `choose_images`.
        labels: True classes of the test split (n,), or 0 and 1 for each label (n, k).
        class_names: Names of the classes or labels.
    """
    absent = np.flatnonzero(~occurs(labels, len(class_names)))
    if "per_class" in _items(wanted) and len(absent):
        named = ", ".join(class_names[number] for number in absent[:MOST_NAMED])
        more = f" and {len(absent) - MOST_NAMED:,} more" if len(absent) > MOST_NAMED else ""
        print(f"explain.images: per_class leaves out {named}{more}, without test images")


def _items(wanted: str | Sequence[str | int]) -> list[str | int]:
    return [wanted] if isinstance(wanted, str) else list(wanted)


def _choose(choice: str, n_images: int, seed: int, predictions: Predictions) -> Indices:
    n_test, n_classes = predictions.probabilities.shape
    match choice:
        case "first":
            return np.arange(n_test)[:n_images]
        case "random":
            return np.random.default_rng(seed).permutation(n_test)[:n_images]
        case "per_class" if predictions.multiple:
            right = predictions.is_true & predictions.is_predicted
            first = [np.flatnonzero(has)[:1] for has in right.T]
            return np.array(list(dict.fromkeys(np.concatenate(first).tolist())), np.int64)
        case "per_class":
            labels = predictions.labels
            correct = np.where(predictions.predicted == labels, labels, -1)
            examples = [np.flatnonzero(correct == label)[:1] for label in range(n_classes)]
            return np.concatenate(examples)
        case "mistakes":
            return predictions.mistakes[:n_images]
        case _:
            return np.arange(n_test)
