"""Thumbnails of images and maps: large enough to read, whatever the size of the images."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from stages.drawing.grain import is_fine, spread
from stages.drawing.layout import GAP, NARROWEST_COLUMN, SMALLEST_THUMBNAIL
from stages.drawing.photographs import PhotoPainter, block_areas, enlarged, fitted
from stages.drawing.scale import Scale, brightness_under_map, to_rgb


@dataclass(frozen=True)
class Fit:
    """Size of thumbnails: pixels of small images become squares, large images are resized smoothly.

    Attributes:
        zoom: Side of a small image's pixel in thumbnail pixels; 1 for large images.
        height, width: Size of the thumbnail in pixels.
    """

    zoom: int
    height: int
    width: int

    @property
    def column(self) -> int:
        """Pixels from one thumbnail to the next; leaves room for a readable name above each."""
        return max(self.width, NARROWEST_COLUMN) + GAP

    @classmethod
    def of(cls, size: tuple[int, int], room: tuple[int, int]) -> Self:
        """The largest thumbnails of images in a room, both as height and width in pixels.

        Small images are at least as large as they are.
        """
        if is_fine(size):
            return cls(1, *fitted(size, room))
        return cls._zoomed(size, min(room) // max(size))

    @classmethod
    def in_row(cls, size: tuple[int, int], room: int, columns: int, largest: int) -> Self:
        """Thumbnails that fill a row.

        Args:
            size: Height and width of the images.
            room: Width of the row in pixels; exceeded if thumbnails would be too small to read.
            columns: Thumbnails in the row.
            largest: Largest side of a thumbnail in pixels.
        """
        side = int(np.clip(room // columns - GAP, SMALLEST_THUMBNAIL, largest))
        return cls.of(size, (side, side))

    @classmethod
    def readable(cls, size: tuple[int, int], largest: int) -> Self:
        """The smallest readable thumbnails of small images, of at most `largest` pixels."""
        return cls._zoomed(size, min(-(-SMALLEST_THUMBNAIL // max(size)), largest // max(size)))

    @classmethod
    def _zoomed(cls, size: tuple[int, int], zoom: int) -> Self:
        zoom = max(1, zoom)
        return cls(zoom, size[0] * zoom, size[1] * zoom)

    def photo(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A thumbnail (height, width, 3) of an image (c, h, w) with 1 or 3 channels."""
        if is_fine(image.shape[1:]):
            return enlarged(image, (self.height, self.width))
        return self.enlarge(to_rgb(image[None])[0])

    def enlarge(self, colors: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A thumbnail (height, width, 3) of a small image's colours (h, w, 3)."""
        return colors.repeat(self.zoom, axis=0).repeat(self.zoom, axis=1)


@dataclass(frozen=True)
class Painter:
    """Turns images and their maps into thumbnails.

    Maps of small images are painted opaque; those of large images cover the grey photograph, the
    stronger, the more opaque.

    Attributes:
        scale: Colours of the maps.
        fit: Size of the thumbnails.
        dark: Whether maps are drawn over the negative of a small image, as in
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
            image: (c, h, w); drawn faintly under the maps.
            maps: Attributions by block of the scale's grain (m, h', w'), output units per block.
            errors: Their standard errors (m, h', w'); pixels within two of them of 0 are faded.
                None to fade nothing.

        Returns:
            1 + m thumbnails (height, width, 3): the image first.
        """
        grain, size = self.scale.grain, image.shape[1:]
        maps = spread(maps, grain, size)
        errors = None if errors is None else spread(errors, grain, size)
        if is_fine(size):
            painter = PhotoPainter(self.scale, (self.fit.height, self.fit.width))
            painted = painter.paint(image, maps, block_areas(size, grain), errors)
        else:
            under = brightness_under_map(image[None], self.dark)
            painted = [self.fit.enlarge(m) for m in self.scale.paint(maps, under, errors)]
        return [self.fit.photo(image), *painted]
