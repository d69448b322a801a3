"""The functions that a file in `stages/datasets/` provides, and their arguments."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from stages.base.tracking.plugins import load_plugin


@dataclass(frozen=True)
class Origin:
    """Where a data set comes from.

    Attributes:
        source: The user's folder or file (`data.source`), searched first.
        mirrors: Base URLs to try next.
        skip_damaged: Leave out damaged images and list them, instead of stopping.
    """

    source: Path
    mirrors: Sequence[str] = ()
    skip_damaged: bool = False


class ImageSequence(Protocol):
    """Images of any size, decoded one at a time."""

    def __len__(self) -> int:
        """Number of images."""

    def __getitem__(self, index: int, /) -> NDArray[np.uint8]:
        """One decoded image (channels, height, width)."""


class RawImages(NamedTuple):
    """Images as published, before conversion.

    Attributes:
        images: (n, channels, height, width), uint8; a sequence if they differ in size.
        labels: True classes (n,), int64.
        names: Unique names of the images (n,): paths within the source, with forward slashes, or
            numbers in the published files. None if they are numbered from 0 in this order.
    """

    images: NDArray[np.uint8] | ImageSequence
    labels: NDArray[np.int64]
    names: Sequence[str] | NDArray[np.int64] | None = None


@dataclass(frozen=True)
class Dataset:
    """A whole data set.

    Attributes:
        train: Images for training and validation.
        test: Images for testing; None if preprocess has to split them off from `train`.
        class_names: Names in class order; each class has at least one training image.
    """

    train: RawImages
    test: RawImages | None
    class_names: tuple[str, ...]


class DatasetPlugin(Protocol):
    """A module with these two functions."""

    def fetch(self, origin: Origin, folder: Path, **options: Any) -> str | None:
        """Copy or download the necessary files into `folder` and check them.

        Args:
            origin: Source of the files.
            folder: Destination, an empty folder.
            options: `data.options`: the keyword arguments that this `fetch` declares.

        Returns:
            Display name of the data set; None for the plug-in's own name.

        Raises:
            UserError: A file was not found or is damaged.
        """

    def read(self, folder: Path) -> Dataset:
        """Read what `fetch` wrote.

        Raises:
            UserError: The content of a file is invalid.
        """


def load_dataset_plugin(name: str) -> DatasetPlugin:
    """Import `stages/datasets/<name>.py`."""
    return cast(DatasetPlugin, load_plugin("datasets", name, ("fetch", "read")))
