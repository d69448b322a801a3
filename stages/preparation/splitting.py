"""Which images make up the training, validation and test splits."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.artifacts.splits import Names, SplitName
from stages.core.errors import UserError
from stages.datasets.base.contract import Dataset, RawImages
from stages.params.preprocess import Preprocess
from stages.sampling.strata import stratified_sample

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
        UserError: A split would lack a class.
    """
    train, test = dataset.train, dataset.test
    remaining = np.arange(len(train.labels))
    if test is None:
        test = train
        remaining, of_test = hold_out(
            train.labels, remaining, "preprocess.test_fraction", seed, options.test_fraction
        )
    else:
        of_test = np.arange(len(test.labels))
    if options.limit is not None:
        remaining = limited(train.labels, remaining, options.limit, seed)
        of_test = limited(test.labels, of_test, options.limit, seed)
    of_train, of_validation = hold_out(
        train.labels, remaining, "preprocess.validation_fraction", seed, options.validation_fraction
    )
    return {
        "train": Part(train, of_train),
        "validation": Part(train, of_validation),
        "test": Part(test, of_test),
    }


def limited(labels: Labels, positions: Positions, limit: int, seed: int) -> Positions:
    """At most `limit` of the positions, each class keeping its share."""
    if limit >= len(positions):
        return positions
    return positions[stratified_sample(labels[positions], limit, seed)]


def hold_out(
    labels: Labels, positions: Positions, parameter: str, seed: int, fraction: float
) -> tuple[Positions, Positions]:
    """Split positions at random into (kept, held out), each ascending, stratified by class.

    Args:
        labels: Of all images (n,).
        positions: The images to split.
        parameter: Sets `fraction`; the message names it.
        seed: Of the draw.
        fraction: Share of the positions to hold out.

    Raises:
        UserError: One of the two would lack a class.
    """
    from sklearn.model_selection import train_test_split  # takes a second: not at the top

    classes = labels[positions]
    try:
        kept, held_out = train_test_split(
            positions, stratify=classes, random_state=seed, test_size=fraction
        )
    except ValueError as error:
        raise UserError(
            f"{parameter}: {fraction:g} of {len(classes):,} images of {len(np.unique(classes))} "
            f"classes cannot be held out so that both parts hold every class ({error}); choose "
            "another fraction or use more images"
        ) from None
    return np.sort(kept), np.sort(held_out)
