"""Fits images of any size onto tiles that are large enough to read."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

GAP = 6  # pixels between tiles
NARROWEST_NAME = 84
ON_SHEETS = 120  # images: a dozen contact sheets of ten


@dataclass(frozen=True)
class Fit:
    """How image pixels become tile pixels: blocks are averaged, then enlarged without blurring.

    Attributes:
        block: Side in image pixels of the square that is averaged, 1 for none.
        zoom: Tile pixels for each side of an averaged square.
        height, width: Size of the tile in pixels.
    """

    block: int
    zoom: int
    height: int
    width: int

    @property
    def column(self) -> int:
        """Pixels from one tile to the next, so that a name above each stays readable."""
        return max(self.width, NARROWEST_NAME) + GAP

    @classmethod
    def of(cls, size: tuple[int, int], side: int) -> Self:
        """Fit images of this height and width on tiles of at most `side` pixels."""
        block = -(-max(size) // side)
        height, width = (-(-length // block) for length in size)
        zoom = side // max(height, width)
        return cls(block, zoom, height * zoom, width * zoom)

    def enlarge(self, colors: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Enlarge averaged colours (h, w, 3) to the tile (height, width, 3)."""
        return colors.repeat(self.zoom, axis=0).repeat(self.zoom, axis=1)


def average(images: NDArray[Any], block: int) -> NDArray[Any]:
    """Average squares of `block` pixels over the last two axes; those at the edge may be smaller.

    The result keeps the type of the input, rounded if that holds whole numbers.
    """
    if block == 1:
        return images
    means = images.astype(np.float64)
    for axis in (-2, -1):
        length = images.shape[axis]
        starts = np.arange(0, length, block)
        counts = np.diff(np.append(starts, length))
        sums = np.add.reduceat(means, starts, axis=axis)
        means = sums / (counts[:, None] if axis == -2 else counts)
    if np.issubdtype(images.dtype, np.integer):
        means = np.rint(means)
    return means.astype(images.dtype)
