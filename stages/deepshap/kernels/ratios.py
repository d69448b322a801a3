"""The rules of max pooling and ReLU for all pairs, compiled; `__init__.py` checks what is read."""

from typing import Any

import numpy as np

from .compiling import compiled


@compiled
def pool_ratios(
    x: Any, y: Any, x_at: Any, x_offset: Any, b: Any, y_b: Any, b_at: Any, b_offset: Any,
    ratio: Any, offset: Any,
) -> None:  # fmt: skip
    """The rule of max pooling for all pairs: the larger side's position, and both changes' ratio.

    Args:
        x: Inputs of the pool (n, h * w, c), float64.
        y, x_at, x_offset: Its outputs, their positions in the plane, and in their windows.
        b, y_b, b_at, b_offset: The same of the background.
        ratio, offset: (n, b, positions, c), written.
    """
    for other in range(len(b)):
        for image in range(len(x)):
            for at in range(y.shape[1]):
                for c in range(y.shape[2]):
                    up, down = y[image, at, c], y_b[other, at, c]
                    if up > down:
                        own = up - b[other, x_at[image, at, c], c]
                        offset[image, other, at, c] = x_offset[image, at, c]
                    else:
                        own = x[image, b_at[other, at, c], c] - down
                        offset[image, other, at, c] = b_offset[other, at, c]
                    ratio[image, other, at, c] = (up - down) / own if own != 0 else 0


@compiled
def relu_ratios(x: Any, b: Any, ratio: Any) -> None:
    """The rule of ReLU for all pairs of x (n, m) and b (b, m): ratio (n, b, m), written."""
    zero = np.float32(0)
    for image in range(len(x)):
        for other in range(len(b)):
            for at in range(x.shape[1]):
                u, v = x[image, at], b[other, at]
                secant = (max(u, zero) - max(v, zero)) / (u - v)
                ratio[image, other, at] = secant if u != v else np.float32(v > 0)
