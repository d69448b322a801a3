"""Large images and their maps at any size: smooth photographs under blocks with sharp edges."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from stages.drawing.grain import is_fine
from stages.drawing.scale import Scale, grey_under_map, to_rgb

STRIP = 3  # an image whose sides differ by more than this factor needs a layout of its own
OUTLINE = 0.98  # of the scale: the dark colours around blocks beyond its ends


def is_wide(size: tuple[int, int]) -> bool:
    """Whether a large image of this height and width is much wider than tall."""
    return is_fine(size) and size[1] > STRIP * size[0]


def is_tall(size: tuple[int, int]) -> bool:
    """Whether a large image of this height and width is much taller than wide."""
    return is_fine(size) and size[0] > STRIP * size[1]


def fitted(size: tuple[int, int], room: tuple[int, int]) -> tuple[int, int]:
    """The largest height and width, both at least 1, of an image of this size in a room.

    Args:
        size: Height and width of the image.
        room: Height and width of the room.
    """
    factor = min(room[0] / size[0], room[1] / size[1])
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


def enlarged(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Colours (height, width, 3) of a smoothly resized image (c, h, w)."""
    picture = Image.fromarray(to_rgb(image[None])[0])
    return np.array(picture.resize(size[::-1], Image.Resampling.BICUBIC))


def sampled(pixels: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """Arrays (..., h, w) resized to (..., height, width) without blurring."""
    rows, columns = (
        np.arange(new) * old // new for new, old in zip(size, pixels.shape[-2:], strict=True)
    )
    return np.asarray(pixels[..., rows[:, None], columns])


def outlines(areas: NDArray[np.integer], chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The pixels inside the edges of chosen areas.

    Args:
        areas: Number of the area that each pixel belongs to (h, w).
        chosen: Whether a pixel's area is to be outlined (h, w).

    Returns:
        (h, w).
    """
    padded = np.pad(areas, 1, constant_values=-1)
    inner = padded[1:-1, 1:-1]
    neighbours = (padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:])
    edge = np.zeros(areas.shape, bool)
    for neighbour in neighbours:
        edge |= neighbour != inner
    return edge & chosen


@dataclass(frozen=True)
class PhotoPainter:
    """Draws maps of large images over their grey photograph.

    Attributes:
        scale: Colours of the maps; areas beyond its ends are outlined.
        size: Height and width of the drawing in pixels.
    """

    scale: Scale
    size: tuple[int, int]

    def photo(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The image (c, h, w) in its colours, (height, width, 3)."""
        return enlarged(image, self.size)

    def paint(
        self,
        image: NDArray[np.uint8],
        maps: NDArray[np.float64],
        areas: NDArray[np.integer],
        errors: NDArray[np.float64] | None = None,
    ) -> list[NDArray[np.uint8]]:
        """Drawings of an image's maps.

        Args:
            image: (c, h, w).
            maps: Sums over areas, for each pixel that of its area (m, h, w).
            areas: Number of the area that each pixel belongs to (h, w).
            errors: Standard errors of `maps` (m, h, w), to fade areas; None to fade nothing.

        Returns:
            m drawings (height, width, 3).
        """
        grey = grey_under_map(self.photo(image).transpose(2, 0, 1)[None])
        values, large_areas = sampled(maps, self.size), sampled(areas, self.size)
        faded = None if errors is None else sampled(errors, self.size)
        drawings = self.scale.cover(values, grey, faded)
        low, high = self.scale.at(-OUTLINE), self.scale.at(OUTLINE)
        for drawing, value in zip(drawings, values, strict=True):
            beyond = outlines(large_areas, np.abs(value) > self.scale.limit)
            drawing[beyond & (value > 0)] = high
            drawing[beyond & (value < 0)] = low
        return list(drawings)


def block_areas(size: tuple[int, int], grain: int) -> NDArray[np.int64]:
    """Number of the block that each pixel belongs to, row by row (h, w)."""
    height, width = size
    columns = -(-width // grain)
    rows = np.arange(height) // grain * columns
    return np.asarray(rows[:, None] + np.arange(width) // grain)


def area_sums(maps: NDArray[np.float64], areas: NDArray[np.integer]) -> NDArray[np.float64]:
    """Maps summed over areas.

    Args:
        maps: (m, h, w).
        areas: Number of the area that each pixel belongs to (h, w), from 0.

    Returns:
        (m, number of areas).
    """
    flat, n_areas = areas.ravel(), int(areas.max()) + 1
    return np.stack([np.bincount(flat, pixels.ravel(), n_areas) for pixels in maps])
