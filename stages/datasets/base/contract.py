"""The functions that a file in `stages/datasets/` provides, and their arguments."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from stages.base.tracking.plugins import load_plugin

MOST_CHANNELS = 13  # of an image; satellites have that many


@dataclass(frozen=True)
class Origin:
    """Where a data set comes from.

    Attributes:
        source: The user's folder or file (`data.source`), searched first.
        mirrors: Base URLs to try next.
        skip_damaged: Leave out damaged images and list them, instead of stopping.
        multiple: Whether an image may have several labels (`data.labels: multiple`).
    """

    source: Path
    mirrors: Sequence[str] = ()
    skip_damaged: bool = False
    multiple: bool = False


class ImageSequence(Protocol):
    """Images of any size, decoded one at a time."""

    def __len__(self) -> int:
        """Number of images."""

    def __getitem__(self, index: int, /) -> NDArray[Any]:
        """One decoded image (channels, height, width)."""


class RawImages(NamedTuple):
    """Images as published, before conversion.

    Attributes:
        images: (n, channels, height, width), uint8; a sequence if they differ in size, which may
            have grey images of more than 8 bits if `ranges` says so.
        labels: True classes (n,), int64; with several labels an image, (n, k) of 0 and 1.
        names: Unique names of the images (n,): paths within the source, with forward slashes, or
            numbers in the published files. None if they are numbered from 0 in this order.
        groups: What each image has in common with others (n,), such as a patient, for
            `preprocess.group`. None if nothing is known.
        ranges: Lowest and highest pixel value of each image (n, 2), NaN for images of 8 bits. None
            if all have 8 bits.
        windows: The values that become 0 and 255 in each image (n, 2) unless
            `preprocess.pixel_range` is set, NaN for images without; None if none has any.
    """

    images: NDArray[np.uint8] | ImageSequence
    labels: NDArray[np.int64]
    names: Sequence[str] | NDArray[np.int64] | None = None
    groups: Sequence[str] | None = None
    ranges: NDArray[np.float64] | None = None
    windows: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class Dataset:
    """A whole data set.

    Attributes:
        train: Images for training, and for validation unless `validation` has them.
        test: Images for testing; None if preprocess has to split them off from `train`.
        class_names: Names of the classes or labels, in class order.
        absent_classes: Whether classes may have no training images, since the user named them.
        validation: Images for validation; None if preprocess has to split them off from `train`.
    """

    train: RawImages
    test: RawImages | None
    class_names: tuple[str, ...]
    absent_classes: bool = False
    validation: RawImages | None = None


class DatasetPlugin(Protocol):
    """A module with these two functions.

    `SEVERAL_LABELS = True` in it allows `data.labels: multiple`.
    """

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
