"""Turn the raw files into training, validation and test arrays: `python -m stages.preprocess`."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from stages.params.data import Data
from stages.params.preprocess import Preprocess
from stages.pipeline.dataset import load_dataset
from stages.pipeline.errors import UserError
from stages.pipeline.files import new_folder
from stages.pipeline.params import Seed, StageParams
from stages.pipeline.splits import Facts, Split, SplitName, save_facts, save_split
from stages.pipeline.stage import run_stage


class Params(StageParams):
    """What this stage reads."""

    seed: Seed
    data: Data
    preprocess: Preprocess


def main(params: Params) -> None:
    """Read, split, measure, write."""
    options, dataset = params.preprocess, params.data.dataset
    images = load_dataset(dataset).read(Path("data/raw"))
    train, test = images.train, images.test
    if options.limit is not None:
        train = limited(train, options.limit, params.seed)
        test = limited(test, options.limit, params.seed)
    train, validation = split_off(train, options.validation_fraction, params.seed)
    facts = describe(dataset, train, images.class_names)
    splits: dict[SplitName, Split] = {"train": train, "validation": validation, "test": test}
    with new_folder(Path("data/prepared")) as folder:
        save_facts(folder, facts)
        for name, split in splits.items():
            save_split(folder, name, split)
            print(f"{name}: {len(split.labels):,} images")


def limited(split: Split, limit: int, seed: int) -> Split:
    """Draw `limit` images, the classes as frequent as in the whole; all if there are fewer."""
    if limit >= len(split.labels):
        return split
    chosen, _ = _stratified(split.labels, "preprocess.limit", seed, train_size=limit)
    return _take(split, chosen)


def split_off(split: Split, fraction: float, seed: int) -> tuple[Split, Split]:
    """Split into (training, validation) with the classes as frequent in both."""
    kept, held_out = _stratified(
        split.labels, "preprocess.validation_fraction", seed, test_size=fraction
    )
    return _take(split, kept), _take(split, held_out)


def describe(dataset: str, train: Split, class_names: tuple[str, ...]) -> Facts:
    """Say what later stages need to know, with the pixel statistics of the training split.

    A channel that never changes gets a standard deviation of 1, so that it can be divided by.
    """
    _, channels, height, width = train.images.shape
    mean = train.images.mean(axis=(0, 2, 3), dtype=np.float64) / 255
    std = train.images.std(axis=(0, 2, 3), dtype=np.float64) / 255
    return Facts(
        dataset=dataset,
        class_names=class_names,
        channels=channels,
        image_size=(height, width),
        mean=tuple(mean.tolist()),
        std=tuple(np.where(std > 0, std, 1).tolist()),
    )


def _stratified(
    labels: NDArray[np.int64], parameter: str, seed: int, **size: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions of two parts, each in ascending order."""
    try:
        first, second = train_test_split(
            np.arange(len(labels)), stratify=labels, random_state=seed, **size
        )
    except ValueError as error:
        raise UserError(
            f"{parameter}: cannot divide {len(labels):,} images of {len(np.unique(labels))} "
            f"classes so that each part holds every class ({error}); choose a larger part"
        ) from None
    return np.sort(first), np.sort(second)


def _take(split: Split, positions: NDArray[np.int64]) -> Split:
    return Split(split.images[positions], split.labels[positions])


if __name__ == "__main__":
    run_stage(main, Params)
