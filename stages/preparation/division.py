"""Which images make up the training, validation and test splits."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from stages.artifacts.splits import SplitName
from stages.core.errors import UserError
from stages.datasets.base.contract import Dataset, RawImages
from stages.params.preprocess import Preprocess
from stages.sampling.strata import stratified_picks

Labels = NDArray[np.int64]
Positions = NDArray[np.int64]


class Part(NamedTuple):
    """The images of one split: where they are, and their positions there, ascending."""

    source: RawImages
    positions: Positions


def divide(dataset: Dataset, options: Preprocess, seed: int) -> dict[SplitName, Part]:
    """Choose the images of each split."""
    train, test = dataset.train, dataset.test
    positions = np.arange(len(train.labels))
    if test is None:
        test = train
        positions, of_test = divide_stratified(
            train.labels, positions, "preprocess.test_fraction", seed, options.test_fraction
        )
    else:
        of_test = np.arange(len(test.labels))
    if options.limit is not None:
        positions = limited(train.labels, positions, options.limit, seed)
        of_test = limited(test.labels, of_test, options.limit, seed)
    of_train, of_validation = divide_stratified(
        train.labels, positions, "preprocess.validation_fraction", seed, options.validation_fraction
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
    return positions[stratified_picks(labels[positions], limit, seed)]


def divide_stratified(
    labels: Labels, positions: Positions, parameter: str, seed: int, held_out: float
) -> tuple[Positions, Positions]:
    """Divide positions into (kept, held out), each ascending, the classes as frequent in both.

    Args:
        labels: Of all images (n,).
        positions: Some of them.
        parameter: What sets `held_out`, for the message.
        seed: Which ones.
        held_out: Share of the positions.

    Raises:
        UserError: A part would be without one of the classes.
    """
    among = labels[positions]
    try:
        kept, other = train_test_split(
            positions, stratify=among, random_state=seed, test_size=held_out
        )
    except ValueError as error:
        raise UserError(
            f"{parameter}: cannot divide {len(among):,} images of {len(np.unique(among))} "
            f"classes so that each part holds every class ({error}); choose a larger part"
        ) from None
    return np.sort(kept), np.sort(other)
