"""The rules of max pooling and ReLU for all pairs, compiled. `dispatch.py` checks the arguments.

Neither loop branches, so compilers can compute several elements at once. Each image is one row.
"""

from typing import Any

import numpy as np

from deepshap.kernels.compiling import compiled


@compiled
def pool_ratios(
    x: Any, y: Any, x_at: Any, x_offset: Any, b: Any, y_b: Any, b_at: Any, b_offset: Any,
    ratio: Any, offset: Any,
) -> None:  # fmt: skip
    """Max pooling for all pairs: the position of the larger side, and the ratio of both changes.

    Args:
        x: The pool's inputs, float64.
        y, x_at, x_offset: The outputs, their positions among the inputs and in their windows.
        b, y_b, b_at, b_offset: The same arrays for the background.
        ratio, offset: Results, (n, b, outputs).
    """
    for other in range(len(b)):
        for image in range(len(x)):
            for at in range(y.shape[1]):
                up, down = y[image, at], y_b[other, at]
                change_up = up - b[other, x_at[image, at]]
                change_down = x[image, b_at[other, at]] - down
                own = change_up if up > down else change_down
                ratio[image, other, at] = (up - down) / own if own != 0 else 0
                which = x_offset[image, at] if up > down else b_offset[other, at]
                offset[image, other, at] = which


@compiled
def relu_ratios(x: Any, b: Any, ratio: Any) -> None:
    """ReLU for all pairs of inputs x (n, m) and b (b, m); writes ratio (n, b, m)."""
    zero = np.float32(0)
    for image in range(len(x)):
        for other in range(len(b)):
            for at in range(x.shape[1]):
                u, v = x[image, at], b[other, at]
                secant = (max(u, zero) - max(v, zero)) / (u - v)
                ratio[image, other, at] = secant if u != v else np.float32(v > 0)
