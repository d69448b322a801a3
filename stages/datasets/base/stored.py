"""Stores a data set whose images have one shape: one `.npy` file per array, and class names."""

from pathlib import Path
from typing import Any

import numpy as np

from stages.base.files.formats import read_json, write_json
from stages.datasets.base.contract import Dataset, RawImages

SPLITS = ("train", "validation", "test")


def store(folder: Path, dataset: Dataset) -> None:
    """Write a data set that is in memory."""
    for name in SPLITS:
        split: RawImages | None = getattr(dataset, name)
        if split is not None:
            for field, array in split._asdict().items():
                if array is not None:
                    np.save(folder / f"{name}_{field}.npy", np.asarray(array))
    write_json(folder / "classes.json", {"class_names": dataset.class_names})


def read(folder: Path) -> Dataset:
    """Read what `store` wrote."""
    splits = {name: _read_split(folder, name) for name in SPLITS}
    class_names = tuple(read_json(folder / "classes.json")["class_names"])
    return Dataset(class_names=class_names, **splits)


def _read_split(folder: Path, name: str) -> Any:
    paths = {field: folder / f"{name}_{field}.npy" for field in RawImages._fields}
    arrays = {field: np.load(path) for field, path in paths.items() if path.exists()}
    return RawImages(**arrays) if arrays else None
