"""Which images make up the training, validation and test splits."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.artifacts.splits import Names, SplitName
from stages.base.errors.user import UserError
from stages.datasets.base.contract import Dataset, RawImages
from stages.params.preprocess import Preprocess
from stages.sampling.stratified import stratified_sample

MOST_NAMED = 10  # classes that a message lists

Labels = NDArray[np.int64]
Positions = NDArray[np.int64]


class Part(NamedTuple):
    """The images of one split: those at `positions`, ascending, among those of `source`."""

    source: RawImages
    positions: Positions

    @property
    def names(self) -> Names:
        """Those of the images: what the data set calls them, else their numbers in it."""
        given = self.source.names
        return self.positions if given is None else np.asarray(given)[self.positions]


def split_dataset(dataset: Dataset, options: Preprocess, seed: int) -> dict[SplitName, Part]:
    """Choose the images of each split.

    Raises:
        UserError: A class or the whole has too few images to be divided.
    """
    train, test = dataset.train, dataset.test
    remaining = np.arange(len(train.labels))
    if test is None:
        test = train
        remaining, test_positions = hold_out(
            dataset, remaining, "preprocess.test_fraction", options.test_fraction, seed
        )
    else:
        test_positions = np.arange(len(test.labels))
    if options.limit is not None:
        remaining = limited(train.labels, remaining, options.limit, seed)
        test_positions = limited(test.labels, test_positions, options.limit, seed)
    train_positions, validation_positions = hold_out(
        dataset, remaining, "preprocess.validation_fraction", options.validation_fraction, seed
    )
    return {
        "train": Part(train, train_positions),
        "validation": Part(train, validation_positions),
        "test": Part(test, test_positions),
    }


def limited(labels: Labels, positions: Positions, limit: int, seed: int) -> Positions:
    """At most `limit` of the positions, each class keeping its share."""
    if limit >= len(positions):
        return positions
    return positions[stratified_sample(labels[positions], limit, seed)]


def hold_out(
    dataset: Dataset, positions: Positions, parameter: str, fraction: float, seed: int
) -> tuple[Positions, Positions]:
    """Split positions at random into (kept, held out), each ascending, stratified by class.

    Args:
        dataset: The data set whose training images the positions refer to.
        positions: The images to split.
        parameter: Sets `fraction`; the message names it.
        fraction: Share of the positions to hold out.
        seed: Seed of the draw.

    Raises:
        UserError: A class has a single image, or a part has fewer images than there are classes.
    """
    from sklearn.model_selection import train_test_split  # takes a second: not at the top

    classes = dataset.train.labels[positions]
    _require_two_of_each(dataset, dataset.train.labels, parameter)
    _require_room_for_each(classes, parameter, fraction)
    _require_two_of_each(dataset, classes, parameter)
    kept, held_out = train_test_split(
        positions, stratify=classes, random_state=seed, test_size=fraction
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
            f"{parameter}: {fraction:g} of {n:,} images makes a part of {fewest:,}, fewer than the "
            f"{n_classes:,} classes; choose another fraction or use more images"
        )
