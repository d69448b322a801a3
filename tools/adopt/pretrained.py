"""A pretrained network, as read from any of the libraries."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor


class Input(NamedTuple):
    """The images that a network was trained on.

    Attributes:
        mean: Mean of each channel, on the scale [0, 1].
        std: Standard deviation of each channel, on the same scale.
        image_size: Height and width in pixels.
        channels: 1 for grey, 3 for colour.
    """

    mean: Sequence[float]
    std: Sequence[float]
    image_size: tuple[int, int]
    channels: int = 3


@dataclass(frozen=True)
class Pretrained:
    """A network, with everything that a recipe for it needs.

    Attributes:
        name: A name for the recipe and the weights file.
        origin: Where it comes from, with revision and digests; a line each.
        architecture: Name of a file in `stages/architectures/`.
        options: Keyword arguments of `build` in that file.
        entries: Parameters and buffers, under the names that the library's network has for them.
        input: The images that it was trained on.
        n_classes: Number of its outputs; 1 for one logit for two classes.
        class_names: Names of the outputs in their order; None if unknown.
        fresh: Entries that the source lacks, so that they have to be trained.
    """

    name: str
    origin: Sequence[str]
    architecture: str
    options: Mapping[str, Any]
    entries: Mapping[str, Tensor]
    input: Input
    n_classes: int
    class_names: Sequence[str] | None
    fresh: Sequence[str] = ()


def sha256(file: Path) -> str:
    """A file's SHA-256, in hexadecimal digits."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
