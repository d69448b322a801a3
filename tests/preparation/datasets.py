"""Data sets with given labels and black images."""

import numpy as np

from stages.datasets.base.contract import Dataset, RawImages


def dataset(train: list[int], test: list[int] | None, n_classes: int = 2) -> Dataset:
    splits = [
        RawImages(np.zeros((len(labels), 1, 8, 8), np.uint8), np.array(labels, np.int64))
        for labels in (train, test or [])
    ]
    names = tuple(f"class {label}" for label in range(n_classes))
    return Dataset(splits[0], None if test is None else splits[1], names)
