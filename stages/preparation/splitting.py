"""Divides a data set into training, validation and test splits."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.artifacts.splits import Names, SplitName
from stages.base.errors.user import UserError
from stages.datasets.base.contract import Dataset, RawImages
from stages.params.preprocess import Preprocess
from stages.sampling.stratified import stratified_sample

MOST_NAMED = 10  # classes listed in a message

Labels = NDArray[np.int64]
Indices = NDArray[np.int64]


class Selection(NamedTuple):
    """The images of one split.

    Attributes:
        source: Images of the data set from which the split is selected.
        indices: Indices of the selected images in `source` (n,), ascending, int64.
    """

    source: RawImages
    indices: Indices

    @property
    def names(self) -> Names:
        """Names of the images (n,) in the data set; their indices if it has no names."""
        given = self.source.names
        return self.indices if given is None else np.asarray(given)[self.indices]


def split_dataset(dataset: Dataset, options: Preprocess, seed: int) -> dict[SplitName, Selection]:
    """Choose the images of each split.

    Raises:
        UserError: A class or the whole data set has too few images to be divided.
    """
    train, test = dataset.train, dataset.test
    remaining = np.arange(len(train.labels))
    if test is None:
        test = train
        remaining, test_indices = hold_out(
            dataset, remaining, "preprocess.test_fraction", options.test_fraction, seed
        )
    else:
        test_indices = np.arange(len(test.labels))
    if options.limit is not None:
        remaining = limited(train.labels, remaining, options.limit, seed)
        test_indices = limited(test.labels, test_indices, options.limit, seed)
    train_indices, validation_indices = hold_out(
        dataset, remaining, "preprocess.validation_fraction", options.validation_fraction, seed
    )
    return {
        "train": Selection(train, train_indices),
        "validation": Selection(train, validation_indices),
        "test": Selection(test, test_indices),
    }


def limited(labels: Labels, indices: Indices, limit: int, seed: int) -> Indices:
    """At most `limit` of the indices, ascending, with unchanged shares of the classes."""
    if limit >= len(indices):
        return indices
    return indices[stratified_sample(labels[indices], limit, seed)]


def hold_out(
    dataset: Dataset, indices: Indices, parameter: str, fraction: float, seed: int
) -> tuple[Indices, Indices]:
    """Split indices at random into (kept, held out), each ascending, stratified by class.

    Args:
        dataset: The data set whose training images are split.
        indices: Indices of the training images to split (n,).
        parameter: Name of the parameter that sets `fraction`, for messages.
        fraction: Share of the images to hold out.
        seed: Seed of the draw.

    Raises:
        UserError: A class has a single image, or one of the two sets is smaller than the number of
            classes.
    """
    from sklearn.model_selection import train_test_split  # here, since importing takes a second

    classes = dataset.train.labels[indices]
    _require_two_of_each(dataset, dataset.train.labels, parameter)
    _require_room_for_each(classes, parameter, fraction)
    _require_two_of_each(dataset, classes, parameter)
    kept, held_out = train_test_split(
        indices, stratify=classes, random_state=seed, test_size=fraction
    )
    return np.sort(kept), np.sort(held_out)


def _require_two_of_each(dataset: Dataset, classes: Labels, parameter: str) -> None:
    present, counts = np.unique(classes, return_counts=True)
    lone = [dataset.class_names[number] for number in present[counts == 1]]
    if not lone:
        return
    n_all = len(dataset.train.labels)
    left = "" if len(classes) == n_all else f" among the {len(classes):,} of {n_all:,} left"
    named = ", ".join(lone[:MOST_NAMED]) + (", …" if len(lone) > MOST_NAMED else "")
    has = f"class {named} has 1 image" if len(lone) == 1 else f"classes {named} have 1 image each"
    raise UserError(
        f"data: {has}{left}; {parameter} divides the images of each class, so each needs at least "
        "2: add images, remove such classes, or raise preprocess.limit where it is set"
    )


def _require_room_for_each(classes: Labels, parameter: str, fraction: float) -> None:
    n, n_classes = len(classes), len(np.unique(classes))
    n_held_out = math.ceil(fraction * n)
    fewest = min(n_held_out, n - n_held_out)
    if fewest < n_classes:
        raise UserError(
            f"{parameter}: {fraction:g} of {n:,} images leaves a split of {fewest:,}, fewer than "
            f"the {n_classes:,} classes; choose another fraction or use more images"
        )
