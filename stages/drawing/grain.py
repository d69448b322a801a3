"""Attributions summed over square blocks, for images whose single pixels are too fine to read."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

GRAINS = (1, 2, 4, 8)
"""Choices for the side of a block in pixels; 1 keeps single pixels."""


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
