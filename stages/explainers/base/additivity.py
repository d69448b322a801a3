"""Whether attributions add up to the change of their output. Loads no PyTorch, for verify."""

import numpy as np
from numpy.typing import NDArray

from stages.artifacts.explanation import ExplainedImages

ROUNDING = 2e-6  # share of Σ|attribution| that float32 may lose, over thousands of pixels


def additivity(
    values: NDArray[np.floating], explained: ExplainedImages, rows: slice, tolerance: float
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """How far the attributions of each map miss the change of its output, and where too far.

    An error is judged against the range of the image's outputs and the base values, and against
    Σ|attribution|: where pixels cancel, a sum in float32 cannot be exact to more than a share of
    its terms.

    Args:
        values: Attributions (n, c, h, w, m).
        explained: The images and the network's outputs for them.
        rows: Which of these images the n are.
        tolerance: Largest error that passes, as a share of that range. An error of at most
            `ROUNDING` of Σ|attribution| passes too, unless the tolerance is lower still.

    Returns:
        The errors (n, m), in units of the output, and which of them do not pass (n, m).
    """
    errors = np.abs(values.sum(axis=(1, 2, 3), dtype=np.float64) - explained.changes[rows])
    totals = np.abs(values).sum(axis=(1, 2, 3), dtype=np.float64)
    small = errors <= tolerance * explained.output_ranges[rows, None]
    rounded = errors <= min(ROUNDING, tolerance) * totals
    return errors, ~((small | rounded) & np.isfinite(errors))
