"""Stores a data set whose images have one shape: one `.npy` file per array, and class names."""

from pathlib import Path

import numpy as np

from stages.base.files.formats import read_json, write_json
from stages.datasets.base.contract import Dataset, RawImages


def store(folder: Path, dataset: Dataset) -> None:
    """Write a data set that is in memory and has a test split."""
    for name, split in (("train", dataset.train), ("test", dataset.test)):
        if split is not None:
            for field, array in split._asdict().items():
                if array is not None:
                    np.save(folder / f"{name}_{field}.npy", np.asarray(array))
    write_json(folder / "classes.json", {"class_names": dataset.class_names})


def read(folder: Path) -> Dataset:
    """Read what `store` wrote."""
    train, test = (
        RawImages(
            **{
                field: np.load(path)
                for field in RawImages._fields
                if (path := folder / f"{name}_{field}.npy").exists()
            }
        )
        for name in ("train", "test")
    )
    return Dataset(train, test, tuple(read_json(folder / "classes.json")["class_names"]))
