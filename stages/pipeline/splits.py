"""The prepared images as they lie on disk: what preprocess writes and the later stages read."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.pipeline.files import read_json, write_json

SplitName = Literal["train", "validation", "test"]


class Split(NamedTuple):
    """Images (n, channels, height, width) in uint8 and their labels (n,) in int64."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]


@dataclass(frozen=True)
class Facts:
    """What later stages need to know of a data set besides its images.

    Attributes:
        dataset: Its name.
        class_names: One for each class, in class order.
        channels: 1 for grey, 3 for colour.
        image_size: Height and width in pixels.
        mean: Mean of the training split's pixels on the scale [0, 1], for each channel.
        std: Standard deviation of the same.
    """

    dataset: str
    class_names: tuple[str, ...]
    channels: int
    image_size: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Facts":
        """Undo what JSON does to tuples."""
        fields: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in content.items()
        }
        return cls(**fields)


def save_split(folder: Path, name: SplitName, split: Split) -> None:
    """Write one split."""
    np.save(folder / f"{name}_images.npy", split.images)
    np.save(folder / f"{name}_labels.npy", split.labels)


def load_split(folder: Path, name: SplitName) -> Split:
    """Read one split."""
    return Split(np.load(folder / f"{name}_images.npy"), np.load(folder / f"{name}_labels.npy"))


def save_facts(folder: Path, facts: Facts) -> None:
    """Write the facts."""
    write_json(folder / "about.json", vars(facts))


def load_facts(folder: Path) -> Facts:
    """Read the facts."""
    return Facts.from_json(read_json(folder / "about.json"))
