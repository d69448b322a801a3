"""Grain: attributions summed over square blocks, for images whose pixels are too fine to read."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

GRAINS = (1, 2, 4, 8)
"""Sides of the blocks in pixels; 1 keeps single pixels."""


def block_sums(maps: NDArray[Any], grain: int) -> NDArray[Any]:
    """Maps (..., h, w) summed over blocks of this side; blocks at the edge may be smaller.

    The blocks of a map have the same sum as its pixels.

    Returns:
        (..., ⌈h / grain⌉, ⌈w / grain⌉).
    """
    if grain == 1:
        return maps
    for axis in (-2, -1):
        maps = np.add.reduceat(maps, np.arange(0, maps.shape[axis], grain), axis=axis)
    return maps


def spread(sums: NDArray[Any], grain: int, size: tuple[int, int]) -> NDArray[Any]:
    """Maps (..., h, w) of this size in which each pixel has the sum of its block."""
    if grain == 1:
        return sums
    height, width = size
    return sums.repeat(grain, axis=-2).repeat(grain, axis=-1)[..., :height, :width]
