"""A data set of equal images as it lies in `data/raw`: four arrays and the names of the classes."""

from pathlib import Path

import numpy as np

from stages.pipeline.dataset import Images, Pictures
from stages.pipeline.files import read_json, write_json


def store(folder: Path, images: Images) -> None:
    """Write a data set that has a test split and is in memory."""
    for name, split in (("train", images.train), ("test", images.test)):
        if split is not None:
            np.save(folder / f"{name}_images.npy", np.asarray(split.images))
            np.save(folder / f"{name}_labels.npy", split.labels)
    write_json(folder / "classes.json", {"class_names": images.class_names})


def read(folder: Path) -> Images:
    """Read it."""
    train, test = (
        Pictures(np.load(folder / f"{name}_images.npy"), np.load(folder / f"{name}_labels.npy"))
        for name in ("train", "test")
    )
    return Images(train, test, tuple(read_json(folder / "classes.json")["class_names"]))
