"""What a file in `stages/datasets/` gives to the pipeline."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

from stages.pipeline.plugins import load_plugin
from stages.pipeline.splits import Split


@dataclass(frozen=True)
class Images:
    """A whole data set in memory: two splits and the names of the classes, in class order."""

    train: Split
    test: Split
    class_names: tuple[str, ...]


class Dataset(Protocol):
    """A module with these two functions."""

    def fetch(self, source: Path, mirrors: Sequence[str], folder: Path) -> None:
        """Bring the files into `folder`, checked, as few of them as possible.

        Args:
            source: The user's folder (`data.source`), which goes first.
            mirrors: Base URLs to try next.
            folder: Where the files go: empty.

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
