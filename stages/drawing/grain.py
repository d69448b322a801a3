"""Attributions summed over square blocks, for images whose single pixels are too fine to read."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

READABLE_SIDE_PX = 64
"""Largest side of an image whose single pixels are readable in a map."""

BLOCKS_ACROSS = 14
"""Blocks along each side of a square map: about 3 mm each in a picture of a large image."""


def is_fine(size: tuple[int, int]) -> bool:
    """Whether single pixels of images of this height and width are too fine to read."""
    return max(size) > READABLE_SIDE_PX


def readable_grain(size: tuple[int, int]) -> int:
    """A readable side of a block in pixels: 1 for small images, else a power of two.

    Args:
        size: Height and width of the images; 224 × 224 gives 16.
    """
    if not is_fine(size):
        return 1
    return int(2 ** max(0, round(math.log2(math.sqrt(math.prod(size)) / BLOCKS_ACROSS))))


def chosen_grain(wanted: int | str, size: tuple[int, ...]) -> int:
    """The side of a block in pixels that the parameter `report.grain` selects.

    Args:
        wanted: A side in pixels, or `auto`.
        size: Ends with the height and width of the images.
    """
    height, width = size[-2:]
    return readable_grain((height, width)) if isinstance(wanted, str) else wanted


def grain_choices(size: tuple[int, int]) -> tuple[int, ...]:
    """Sides of blocks that the explorer offers, in pixels, ascending; 1 keeps single pixels."""
    finest = max(1, readable_grain(size) // 4)
    return tuple(finest * factor for factor in (1, 2, 4, 8))


def block_sums(maps: NDArray[Any], grain: int) -> NDArray[Any]:
    """Maps summed over blocks; those at the right and bottom edge may be smaller.

    The total of a map does not change.

    Args:
        maps: (..., h, w).
        grain: Side of a block in pixels.

    Returns:
        (..., ⌈h / grain⌉, ⌈w / grain⌉).
    """
    if grain == 1:
        return maps
    for axis in (-2, -1):
        maps = np.add.reduceat(maps, np.arange(0, maps.shape[axis], grain), axis=axis)
    return maps


def spread(sums: NDArray[Any], grain: int, size: tuple[int, int]) -> NDArray[Any]:
    """Maps (..., h, w) in which each pixel has the sum of its block.

    Args:
        sums: (..., ⌈h / grain⌉, ⌈w / grain⌉).
        grain: Side of a block in pixels.
        size: h and w.
    """
    if grain == 1:
        return sums
    height, width = size
    return sums.repeat(grain, axis=-2).repeat(grain, axis=-1)[..., :height, :width]
