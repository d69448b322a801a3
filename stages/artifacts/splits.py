"""The prepared images, `data/prepared`: preprocess writes them, later stages read them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Literal, NamedTuple, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from stages.base.files.arrays import load_npy
from stages.base.files.atomic import new_folder
from stages.base.files.formats import read_json, write_json

FOLDER = Path("data/prepared")

SplitName = Literal["train", "validation", "test"]

Images = TypeVar("Images", covariant=True)
Labels = TypeVar("Labels", covariant=True)


class LabelledImages(NamedTuple, Generic[Images, Labels]):
    """Images (n, channels, height, width) and their true classes (n,), as arrays or tensors."""

    images: Images
    labels: Labels


Split = LabelledImages[NDArray[np.uint8], NDArray[np.int64]]

# What the data set calls each image (n,): its path within the source, or its number as published.
Names: TypeAlias = NDArray[np.str_] | NDArray[np.int64]


@dataclass(frozen=True)
class DatasetInfo:
    """What later stages need to know about a data set besides its images.

    Attributes:
        name: Display name: that of the data set, or of the user's folder or file.
        class_names: One for each class, in class order.
        channels: 1 for grey, 3 for colour.
        image_size: Height and width in pixels.
        mean: Mean of the training split's pixels on the scale [0, 1], per channel.
        std: Standard deviation of the same pixels, per channel; 1 for a constant channel.
        parameters: Parameters of all stages so far, by section of `params.yaml`.
    """

    name: str
    class_names: tuple[str, ...]
    channels: int
    image_size: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    parameters: Mapping[str, Any]

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "DatasetInfo":
        """From what `read_json` returns: its lists become tuples again."""
        fields: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in content.items()
        }
        return cls(**fields)


def save_splits(
    info: DatasetInfo,
    splits: Mapping[SplitName, Split],
    names: Mapping[SplitName, Names],
    folder: Path = FOLDER,
) -> None:
    """Write all splits, the names of their images, and the description of their data set."""
    with new_folder(folder) as new:
        write_json(new / "dataset.json", vars(info))
        for name, split in splits.items():
            np.save(new / f"{name}_images.npy", split.images)
            np.save(new / f"{name}_labels.npy", split.labels)
            np.save(new / f"{name}_names.npy", names[name])


def load_info(folder: Path = FOLDER) -> DatasetInfo:
    """Read the description of the data set."""
    return DatasetInfo.from_json(read_json(folder / "dataset.json"))


def load_split(name: SplitName, folder: Path = FOLDER) -> Split:
    """One split; only what is looked at is read, since it may be larger than memory."""
    return Split(*(load_npy(folder / f"{name}_{part}.npy") for part in Split._fields))


def load_names(name: SplitName, folder: Path = FOLDER) -> Names:
    """The names of a split's images; only what is looked at is read."""
    return load_npy(folder / f"{name}_names.npy")
