"""Grain: attributions summed over square blocks, where single pixels are too fine to read."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

GRAINS = (1, 2, 4, 8)
"""Sides of the blocks in pixels, 1 for none."""


def block_sums(maps: NDArray[Any], grain: int) -> NDArray[Any]:
    """Sum maps (..., h, w) over blocks of this side; those at the edge may be smaller.

    Nothing is lost: the blocks of a map add up to what its pixels add up to.

    Returns:
        (..., ⌈h / grain⌉, ⌈w / grain⌉).
    """
    if grain == 1:
        return maps
    for axis in (-2, -1):
        maps = np.add.reduceat(maps, np.arange(0, maps.shape[axis], grain), axis=axis)
    return maps


def spread(sums: NDArray[Any], grain: int, size: tuple[int, int]) -> NDArray[Any]:
    """Give each pixel of maps (..., h, w) of this size the sum of its block."""
    if grain == 1:
        return sums
    height, width = size
    return sums.repeat(grain, axis=-2).repeat(grain, axis=-1)[..., :height, :width]
