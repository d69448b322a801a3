"""Thumbnails of images and maps: large enough to read, whatever the size of the images."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from stages.drawing.grain import spread
from stages.drawing.layout import GAP, NARROWEST_COLUMN, SMALLEST_THUMBNAIL
from stages.drawing.scale import Scale, brightness_under_map, to_rgb


@dataclass(frozen=True)
class Fit:
    """How image pixels become thumbnail pixels: averaged or enlarged, without blurring.

    Attributes:
        factor: Downsampling factor: side in image pixels of the squares averaged, 1 for none.
        zoom: Side of an averaged square in thumbnail pixels.
        height, width: Size of the thumbnail in pixels.
    """

    factor: int
    zoom: int
    height: int
    width: int

    @property
    def column(self) -> int:
        """Pixels from one thumbnail to the next; leaves room for a readable name above each."""
        return max(self.width, NARROWEST_COLUMN) + GAP

    @classmethod
    def of(cls, size: tuple[int, int], side: int) -> Self:
        """The largest thumbnails of at most `side` pixels for images of this height and width."""
        factor = -(-max(size) // side)
        return cls._zoomed(size, factor, side // -(-max(size) // factor))

    @classmethod
    def in_row(cls, size: tuple[int, int], room: int, columns: int, largest: int) -> Self:
        """Thumbnails that fill a row.

        Args:
            size: Height and width of the images.
            room: Width of the row in pixels; exceeded if thumbnails would be too small to read.
            columns: Thumbnails in the row.
            largest: Largest side of a thumbnail in pixels.
        """
        return cls.of(size, int(np.clip(room // columns - GAP, SMALLEST_THUMBNAIL, largest)))

    @classmethod
    def readable(cls, size: tuple[int, int], largest: int) -> Self:
        """The smallest readable thumbnails of at most `largest` pixels."""
        factor = -(-max(size) // largest)
        side = -(-max(size) // factor)
        zoom = min(-(-SMALLEST_THUMBNAIL // side), largest // side)
        return cls._zoomed(size, factor, zoom)

    @classmethod
    def _zoomed(cls, size: tuple[int, int], factor: int, zoom: int) -> Self:
        height, width = (-(-length // factor) * zoom for length in size)
        return cls(factor, zoom, height, width)

    def enlarge(self, colors: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A thumbnail (height, width, 3) of averaged colours (h, w, 3)."""
        return colors.repeat(self.zoom, axis=0).repeat(self.zoom, axis=1)


def average(images: NDArray[Any], factor: int) -> NDArray[Any]:
    """Images (..., h, w) downsampled: means of squares, which may be smaller at the edge.

    Args:
        images: (..., h, w), of any numeric type.
        factor: Downsampling factor: side of a square in pixels.

    Returns:
        (..., ⌈h / factor⌉, ⌈w / factor⌉), of the type of `images`; integers are rounded.
    """
    if factor == 1:
        return images
    means = images.astype(np.float64)
    for axis in (-2, -1):
        length = images.shape[axis]
        starts = np.arange(0, length, factor)
        counts = np.diff(np.append(starts, length))
        sums = np.add.reduceat(means, starts, axis=axis)
        means = sums / (counts[:, None] if axis == -2 else counts)
    if np.issubdtype(images.dtype, np.integer):
        means = np.rint(means)
    return means.astype(images.dtype)


@dataclass(frozen=True)
class Painter:
    """Turns images and their maps into thumbnails.

    Attributes:
        scale: Colours of the maps.
        fit: Size of the thumbnails.
        dark: Whether maps are drawn over the negative of their image, as in
            `brightness_under_map`.
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
        """Thumbnails of an image and its maps.

        Args:
            image: (c, h, w) with 1 or 3 channels; drawn faintly under the maps.
            maps: Attributions by block of the scale's grain (m, h', w'), output units per block.
            errors: Their standard errors (m, h', w'); pixels within two of them of 0 are faded.
                None to fade nothing. An averaged square gets the mean, an upper bound.

        Returns:
            1 + m thumbnails (height, width, 3): the image first.
        """
        factor = self.fit.factor
        pixels = average(image[None], factor)
        under = brightness_under_map(pixels, self.dark)

        def fitted(blocks: NDArray[np.float64]) -> NDArray[np.float64]:
            return average(spread(blocks, self.scale.grain, image.shape[1:]), factor)

        errors = None if errors is None else fitted(errors)
        painted = self.scale.paint(fitted(maps), under, errors)
        return [self.fit.enlarge(thumbnail) for thumbnail in (*to_rgb(pixels), *painted)]
