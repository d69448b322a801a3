"""What a file in `stages/datasets/` provides, and what it is given."""

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
        source: The user's folder or file (`data.source`), which is searched first.
        mirrors: Base URLs to try next.
        skip_damaged: Whether damaged images are left out and listed, or stop the run.
    """

    source: Path
    mirrors: Sequence[str] = ()
    skip_damaged: bool = False


class ImageSequence(Protocol):
    """Images of any size, decoded one at a time."""

    def __len__(self) -> int:
        """Number of images."""

    def __getitem__(self, position: int, /) -> NDArray[np.uint8]:
        """One image, decoded: (channels, height, width)."""


class RawImages(NamedTuple):
    """Images as they were published.

    Attributes:
        images: (n, channels, height, width), or one by one if they differ in size.
        labels: True classes (n,).
        names: What users call each image, all different: its path within the source, with forward
            slashes, or its number where it was published. None: their numbers here, from 0.
    """

    images: NDArray[np.uint8] | ImageSequence
    labels: NDArray[np.int64]
    names: Sequence[str] | NDArray[np.int64] | None = None


@dataclass(frozen=True)
class Dataset:
    """A whole data set.

    Attributes:
        train: To train on and to validate.
        test: To test; `None` if preprocess has to split it off from `train`.
        class_names: In class order; each class has an image.
    """

    train: RawImages
    test: RawImages | None
    class_names: tuple[str, ...]


class DatasetPlugin(Protocol):
    """A module with these two functions."""

    def fetch(self, origin: Origin, folder: Path, **options: Any) -> str | None:
        """Copy or download the files into `folder` and check them, only those that are needed.

        Args:
            origin: Where the files come from.
            folder: Where the files go; it is empty.
            options: `data.options`, the keyword arguments that this data set's `fetch` declares.

        Returns:
            The data set's display name, if it is not the plug-in's.

        Raises:
            UserError: A file was found nowhere or is damaged.
        """

    def read(self, folder: Path) -> Dataset:
        """Read what `fetch` wrote.

        Raises:
            UserError: A file does not hold what it should.
        """


def load_dataset_plugin(name: str) -> DatasetPlugin:
    """Import `stages/datasets/<name>.py`."""
    return cast(DatasetPlugin, load_plugin("datasets", name, ("fetch", "read")))
