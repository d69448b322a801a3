"""Divides a data set into training, validation and test splits."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.artifacts.splits import Names, SplitName
from stages.base.errors.user import UserError
from stages.datasets.base.contract import Dataset, RawImages
from stages.params.preprocess import Preprocess
from stages.sampling.stratified import strata, stratified_sample

MOST_NAMED = 10  # classes listed in a message
SMALLEST_GAIN = 1e-9  # less is rounding

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

    @property
    def ranges(self) -> NDArray[np.float64] | None:
        """Lowest and highest pixel values (n, 2), as in `RawImages`."""
        return None if self.source.ranges is None else self.source.ranges[self.indices]

    @property
    def windows(self) -> NDArray[np.float64] | None:
        """The values that become 0 and 255 in each image (n, 2), as in `RawImages`."""
        return None if self.source.windows is None else self.source.windows[self.indices]


def split_dataset(dataset: Dataset, options: Preprocess, seed: int) -> dict[SplitName, Selection]:
    """Choose the images of each split.

    Raises:
        UserError: A class or the whole data set has too few images to be divided, there are no
            groups to divide it by, or no label of the test images can be scored.
    """
    train = dataset.train
    remaining = np.arange(len(train.labels))
    divide = _hold_out_groups if options.group else hold_out
    if dataset.test is None:
        remaining, indices = divide(
            dataset, remaining, "preprocess.test_fraction", options.test_fraction, seed
        )
        test = Selection(train, indices)
    else:
        test = whole(dataset.test)
    test = limited(test, options.limit, seed)
    remaining = limited(Selection(train, remaining), options.limit, seed).indices
    if dataset.validation is None:
        remaining, indices = divide(
            dataset, remaining, "preprocess.validation_fraction", options.validation_fraction, seed
        )
        validation = Selection(train, indices)
    else:
        validation = limited(whole(dataset.validation), options.limit, seed)
    _require_scorable(test.source.labels[test.indices])
    return {"train": Selection(train, remaining), "validation": validation, "test": test}


def whole(images: RawImages) -> Selection:
    """All images."""
    return Selection(images, np.arange(len(images.labels)))


def limited(selection: Selection, limit: int | None, seed: int) -> Selection:
    """At most `limit` of the images, with unchanged shares of the classes."""
    source, indices = selection
    if limit is None or limit >= len(indices):
        return selection
    return Selection(source, indices[stratified_sample(source.labels[indices], limit, seed)])


def hold_out(
    dataset: Dataset, indices: Indices, parameter: str, fraction: float, seed: int
) -> tuple[Indices, Indices]:
    """Split indices at random into (kept, held out), each ascending, stratified by class.

    With several labels an image, the strata are those of `stages.sampling.stratified`.

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
    if classes.ndim == 2:
        _require_room(len(indices), 1, parameter, fraction)
        held_out = stratified_sample(classes, math.ceil(fraction * len(indices)), seed)
        return np.delete(indices, held_out), indices[held_out]
    _require_two_of_each(dataset, dataset.train.labels, parameter)
    _require_room(len(indices), len(np.unique(classes)), parameter, fraction)
    _require_two_of_each(dataset, classes, parameter)
    kept, held_out = train_test_split(
        indices, stratify=classes, random_state=seed, test_size=fraction
    )
    return np.sort(kept), np.sort(held_out)


def _hold_out_groups(
    dataset: Dataset, indices: Indices, parameter: str, fraction: float, seed: int
) -> tuple[Indices, Indices]:
    """Like `hold_out`, but with all images of a group on one side, so the fraction is approximate.

    Groups in random order, the largest first, are held out or put back as long as that brings the
    number of images held out of each class closer to its share.

    Raises:
        UserError: The images have no groups, or too few that any can be held out.
    """
    _, group = np.unique(_groups(dataset)[indices], return_inverse=True)
    _, stratum = np.unique(strata(dataset.train.labels[indices]), return_inverse=True)
    counts = np.zeros((group.max() + 1, stratum.max() + 1))
    np.add.at(counts, (group, stratum), 1)
    shuffled = np.random.default_rng(seed).permutation(len(counts))
    order = shuffled[np.argsort(-counts[shuffled].sum(axis=1), kind="stable")]
    total = counts.sum(axis=0)
    goal, held_out, taken = fraction * total, np.zeros(len(total)), np.zeros(len(counts), bool)
    changed = True
    while changed:  # ends, since each change brings the numbers closer to their goals
        changed = False
        for one in order:
            other = held_out - counts[one] if taken[one] else held_out + counts[one]
            # Relative to the goals, so that rare classes weigh as much.
            gain = (((held_out - goal) ** 2 - (other - goal) ** 2) / goal).sum()
            if gain > SMALLEST_GAIN and (other < total).all():  # training needs every class
                held_out, taken[one], changed = other, not taken[one], True
    if not taken.any():
        raise UserError(
            f"{parameter}: {len(counts):,} folders cannot be divided so that about {fraction:g} of "
            "the images of each class is held out and every class is left for training; choose "
            "another fraction, add folders, or set preprocess.group: null"
        )
    return indices[~taken[group]], indices[taken[group]]


def _groups(dataset: Dataset) -> NDArray[np.str_]:
    train = dataset.train
    if train.groups is None or list(train.groups) == list(train.names or ()):
        raise UserError(
            "preprocess.group: folder needs an image_folder with folders inside the classes, such "
            "as <class>/<patient>/*, and there are none; set it to null"
        )
    return np.asarray(train.groups)


def _require_scorable(labels: Labels) -> None:
    """Reject test images on which `evaluate` could not measure anything."""
    if len(labels) == 0:
        raise UserError("data: the test split has no images; add some")
    if labels.ndim == 2 and len(np.unique(labels, axis=0)) == 1:
        raise UserError(
            "data: all test images have the same labels, so no label can be scored; use more test "
            "images (preprocess.limit, preprocess.test_fraction)"
        )


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


def _require_room(n: int, n_classes: int, parameter: str, fraction: float) -> None:
    n_held_out = math.ceil(fraction * n)
    fewest = min(n_held_out, n - n_held_out)
    if fewest < n_classes:
        needed = f"the {n_classes:,} classes" if n_classes > 1 else "one"
        raise UserError(
            f"{parameter}: {fraction:g} of {n:,} images leaves a split of {fewest:,}, fewer than "
            f"{needed}; choose another fraction or use more images"
        )
