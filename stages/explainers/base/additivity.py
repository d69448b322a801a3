"""Checks that attributions sum to the change of their output. Imports no PyTorch, for verify."""

import numpy as np
from numpy.typing import NDArray

from stages.artifacts.explanation import ExplainedImages

ROUNDING = 2e-6  # share of Σ|attribution| that float32 may lose, over thousands of pixels


def additivity(
    values: NDArray[np.floating], explained: ExplainedImages, rows: slice, tolerance: float
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Additivity error of each map, and whether it is too large.

    An error is compared with the range of the image's outputs and the base values, and with
    Σ|attribution|: if pixels cancel, rounding in float32 limits the accuracy of their sum.

    Args:
        values: Attributions of n images (n, c, h, w, m).
        explained: The explained images, with the network's outputs.
        rows: Indices of the n images among them.
        tolerance: Largest error that passes, as a share of the range. An error of at most
            `ROUNDING` of Σ|attribution| passes too, unless the tolerance is even lower.

    Returns:
        The errors (n, m), in output units, and whether each fails (n, m).
    """
    errors = np.abs(values.sum(axis=(1, 2, 3), dtype=np.float64) - explained.changes[rows])
    totals = np.abs(values).sum(axis=(1, 2, 3), dtype=np.float64)
    small = errors <= tolerance * explained.output_ranges[rows, None]
    rounded = errors <= min(ROUNDING, tolerance) * totals
    return errors, ~((small | rounded) & np.isfinite(errors))
