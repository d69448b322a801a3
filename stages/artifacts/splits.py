"""The prepared images in `data/prepared`: preprocess writes them, later stages read them."""

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

THRESHOLD = 0.5  # with several labels an image, those with a higher probability are predicted

SplitName = Literal["train", "validation", "test"]

Images = TypeVar("Images", covariant=True)
Labels = TypeVar("Labels", covariant=True)


class LabelledImages(NamedTuple, Generic[Images, Labels]):
    """Images with their true classes, as arrays or tensors.

    Attributes:
        images: (n, channels, height, width); uint8 in a saved split.
        labels: True classes (n,), int64; with several labels an image, (n, k) of 0 and 1.
    """

    images: Images
    labels: Labels


Split = LabelledImages[NDArray[np.uint8], NDArray[np.int64]]

# Names of images in the data set (n,): paths within its source, or numbers in the published files.
Names: TypeAlias = NDArray[np.str_] | NDArray[np.int64]


@dataclass(frozen=True)
class DatasetInfo:
    """Description of a prepared data set.

    Attributes:
        name: Display name of the data set, or name of the user's folder or file.
        class_names: Names of the classes or labels, in class order.
        channels: 1 for grey, 3 for colour; up to 13 for images from satellites or microscopes.
        image_size: Height and width in pixels.
        mean: Mean of the training pixels for each channel, with pixels scaled to [0, 1].
        std: Standard deviation of the same pixels for each channel; 1 for a constant channel.
        parameters: Parameters of all stages up to preprocess, by section of `params.yaml`.
        pixel_range: The values that became 0 and 255 in images of more than 8 bits; None for 0 and
            65,535.
    """

    name: str
    class_names: tuple[str, ...]
    channels: int
    image_size: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    parameters: Mapping[str, Any]
    pixel_range: tuple[float, float] | None = None

    @property
    def multiple(self) -> bool:
        """Whether an image may have several labels (`data.labels: multiple`)."""
        return is_multiple(self.parameters)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "DatasetInfo":
        """Restore the description from JSON content, in which tuples are lists."""
        fields: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in content.items()
        }
        return cls(**fields)


def has_label(labels: NDArray[np.int64], n_classes: int) -> NDArray[np.bool_]:
    """Whether each image has each label (n, k).

    Args:
        labels: True classes (n,), or 0 and 1 for each label (n, k); negative numbers are unknown.
        n_classes: Number of classes or labels.
    """
    if labels.ndim == 2:
        return np.asarray(labels > 0)
    return np.asarray(labels[:, None] == np.arange(n_classes))


def occurs(labels: NDArray[np.int64], n_classes: int) -> NDArray[np.bool_]:
    """Whether each class or label is true of any image (k,); arguments as in `has_label`."""
    if labels.ndim == 2:
        return np.asarray((labels > 0).any(axis=0))
    return np.asarray(np.bincount(labels.astype(np.int64), minlength=n_classes) > 0)


def is_predicted(probabilities: NDArray[np.floating], multiple: bool) -> NDArray[np.bool_]:
    """Whether each class is predicted (n, k): the most probable one, or labels above `THRESHOLD`.

    Args:
        probabilities: (n, k).
        multiple: Whether an image may have several labels.
    """
    if multiple:
        return np.asarray(probabilities > THRESHOLD)
    return has_label(probabilities.argmax(axis=1), probabilities.shape[1])


def is_multiple(parameters: Mapping[str, Any]) -> bool:
    """Whether the recorded parameters of a run say that an image may have several labels."""
    return bool(parameters.get("data", {}).get("labels") == "multiple")


def save_splits(
    info: DatasetInfo,
    splits: Mapping[SplitName, Split],
    names: Mapping[SplitName, Names],
    folder: Path = FOLDER,
) -> None:
    """Write all splits with the names of their images, and the description of the data set."""
    with new_folder(folder) as new:
        write_json(new / "dataset.json", vars(info))
        for name, split in splits.items():
            np.save(new / f"{name}_images.npy", split.images)
            np.save(new / f"{name}_labels.npy", split.labels)
            np.save(new / f"{name}_names.npy", names[name])


def load_info(folder: Path = FOLDER) -> DatasetInfo:
    """Load the description of the data set."""
    return DatasetInfo.from_json(read_json(folder / "dataset.json"))


def load_split(name: SplitName, folder: Path = FOLDER) -> Split:
    """Load one split; arrays are memory-mapped, since they may be larger than memory."""
    return Split(*(load_npy(folder / f"{name}_{field}.npy") for field in Split._fields))


def load_names(name: SplitName, folder: Path = FOLDER) -> Names:
    """Load the names of a split's images (n,); the array is memory-mapped."""
    return load_npy(folder / f"{name}_names.npy")
