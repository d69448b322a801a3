"""Fits images of any size onto tiles that are large enough to read, and paints them."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from stages.drawing.grain import spread
from stages.drawing.layout import GAP, NARROWEST_COLUMN, SMALLEST_TILE
from stages.drawing.scale import Scale, brightness_under_map, to_rgb


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
        return max(self.width, NARROWEST_COLUMN) + GAP

    @classmethod
    def of(cls, size: tuple[int, int], side: int) -> Self:
        """Fit images of this height and width on the largest tiles of at most `side` pixels."""
        block = -(-max(size) // side)
        return cls._zoomed(size, block, side // -(-max(size) // block))

    @classmethod
    def in_row(cls, size: tuple[int, int], room: int, columns: int, largest: int) -> Self:
        """Fit images on tiles that fill a row.

        Args:
            size: Height and width of the images.
            room: Pixels that the row may take, unless its tiles would get too small to read.
            columns: Tiles in the row.
            largest: Side of a tile at most.
        """
        return cls.of(size, int(np.clip(room // columns - GAP, SMALLEST_TILE, largest)))

    @classmethod
    def readable(cls, size: tuple[int, int], largest: int) -> Self:
        """Fit images on the smallest tiles that can be read, of at most `largest` pixels."""
        block = -(-max(size) // largest)
        side = -(-max(size) // block)
        zoom = min(-(-SMALLEST_TILE // side), largest // side)
        return cls._zoomed(size, block, zoom)

    @classmethod
    def _zoomed(cls, size: tuple[int, int], block: int, zoom: int) -> Self:
        height, width = (-(-length // block) * zoom for length in size)
        return cls(block, zoom, height, width)

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


@dataclass(frozen=True)
class Painter:
    """Paints images and their maps as tiles.

    Attributes:
        scale: Colours of the maps.
        fit: Size of the tiles.
        dark: Whether the run's images are dark, as in `brightness_under_map`.
    """

    scale: Scale
    fit: Fit
    dark: bool

    def paint(
        self,
        image: NDArray[np.uint8],
        maps: NDArray[np.float64],
        errors: NDArray[np.float64] | None = None,
    ) -> list[NDArray[np.uint8]]:
        """Paint an image and its maps, each enlarged to a tile.

        Args:
            image: (c, h, w) with 1 or 3 channels; lies faintly under the maps.
            maps: Attributions by block of the scale's grain (m, h', w'), output units per block.
            errors: Their standard errors (m, h', w'), to fade what is within two of them; None to
                fade nothing. That of an averaged square is taken to be the mean, which it is at
                most.

        Returns:
            1 + m tiles (height, width, 3): the image first.
        """
        block = self.fit.block
        pixels = average(image[None], block)
        under = brightness_under_map(pixels, self.dark)

        def fitted(blocks: NDArray[np.float64]) -> NDArray[np.float64]:
            return average(spread(blocks, self.scale.grain, image.shape[1:]), block)

        errors = None if errors is None else fitted(errors)
        painted = self.scale.paint(fitted(maps), under, errors)
        return [self.fit.enlarge(tile) for tile in (*to_rgb(pixels), *painted)]
