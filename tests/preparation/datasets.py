"""Data sets of which only the labels matter."""

import numpy as np

from stages.datasets.base.contract import Dataset, RawImages


def dataset(train: list[int], test: list[int] | None, n_classes: int = 2) -> Dataset:
    parts = [
        RawImages(np.zeros((len(labels), 1, 8, 8), np.uint8), np.array(labels, np.int64))
        for labels in (train, test or [])
    ]
    names = tuple(f"class {label}" for label in range(n_classes))
    return Dataset(parts[0], None if test is None else parts[1], names)
