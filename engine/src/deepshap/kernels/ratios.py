"""The rules of max pooling and ReLU for all pairs, compiled. `dispatch.py` checks the arguments.

Neither loop branches, so compilers can compute several elements at once. Each image is one row.
"""

from typing import Any

import numpy as np

from deepshap.kernels.compiling import compiled


@compiled
def pool_ratios(
    x: Any, y: Any, x_at: Any, x_offset: Any, b: Any, y_b: Any, b_at: Any, b_offset: Any,
    scale: Any, needed: Any, ratio: Any, offset: Any,
) -> None:  # fmt: skip
    """Max pooling for all pairs: the position of the larger side, and the ratio of both changes.

    Args:
        x: The pool's inputs, (n, places, c) float64.
        y, x_at, x_offset: The outputs, their places in the plane and in their windows, (n,
            positions, c). Places are unsigned, so numba need not test for negative ones.
        b, y_b, b_at, b_offset: The same arrays for the background.
        scale: A factor of the ratios, (n * b or 1, positions, c).
        needed: Where the results are needed, (positions, n * b or 1); 0 elsewhere.
        ratio, offset: Results, (n * b, positions, c).
    """
    for other in range(len(b)):
        for image in range(len(x)):
            pair = image * len(b) + other
            scaling, needing = min(pair, len(scale) - 1), min(pair, needed.shape[1] - 1)
            for at in range(y.shape[1]):
                for c in range(y.shape[2] if needed[at, needing] else 0):
                    up, down = y[image, at, c], y_b[other, at, c]
                    change_up = up - b[other, x_at[image, at, c], c]
                    change_down = x[image, b_at[other, at, c], c] - down
                    own = change_up if up > down else change_down
                    own_ratio = np.float32((up - down) / own if own != 0 else 0)
                    ratio[pair, at, c] = own_ratio * scale[scaling, at, c]
                    which = x_offset[image, at, c] if up > down else b_offset[other, at, c]
                    offset[pair, at, c] = which
                for c in range(0 if needed[at, needing] else y.shape[2]):
                    ratio[pair, at, c] = offset[pair, at, c] = 0


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
