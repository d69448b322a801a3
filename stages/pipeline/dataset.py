"""What a file in `stages/datasets/` gives to the pipeline."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from stages.pipeline.plugins import load_plugin


@dataclass(frozen=True)
class Origin:
    """Where a data set comes from.

    Attributes:
        source: The user's folder or file (`data.source`), which goes first.
        mirrors: Base URLs to try next.
        skip_damaged: Whether images that cannot be read are left out and listed, or stop the run.
    """

    source: Path
    mirrors: Sequence[str] = ()
    skip_damaged: bool = False


class Lazy(Protocol):
    """Images of any sizes that are decoded when they are asked for."""

    def __len__(self) -> int:
        """Count them."""

    def __getitem__(self, position: int, /) -> NDArray[np.uint8]:
        """Decode one: (channels, height, width)."""


class Pictures(NamedTuple):
    """Images as they come, (n, channels, height, width) or lazy, and their labels (n,)."""

    images: NDArray[np.uint8] | Lazy
    labels: NDArray[np.int64]


@dataclass(frozen=True)
class Images:
    """A whole data set.

    Attributes:
        train: To train and validate.
        test: To test; `None` if the data set leaves it to the pipeline to split some off.
        class_names: In class order; each class has an image.
    """

    train: Pictures
    test: Pictures | None
    class_names: tuple[str, ...]


class Dataset(Protocol):
    """A module with these two functions."""

    def fetch(self, origin: Origin, folder: Path, **options: Any) -> None:
        """Bring the files into `folder`, checked, as few of them as possible.

        Args:
            origin: Where from.
            folder: Where the files go: empty.
            options: `data.options`: the keyword arguments that this data set's `fetch` declares.

        Raises:
            UserError: They were found nowhere or are damaged.
        """

    def read(self, folder: Path) -> Images:
        """Read what `fetch` has brought.

        Raises:
            UserError: A file does not hold what it should.
        """


def load_dataset(name: str) -> Dataset:
    """Import the data set of a name."""
    return cast(Dataset, load_plugin("datasets", name, ("fetch", "read")))
