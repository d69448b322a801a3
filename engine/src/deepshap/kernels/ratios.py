"""The rules of max pooling and ReLU for all pairs, compiled; `__init__.py` checks what is read.

Neither branches, so compilers can compute several elements at once. Each image is one row.
"""

from typing import Any

import numpy as np

from deepshap.kernels.compiling import compiled


@compiled
def pool_ratios(
    x: Any, y: Any, x_at: Any, x_offset: Any, b: Any, y_b: Any, b_at: Any, b_offset: Any,
    ratio: Any, offset: Any,
) -> None:  # fmt: skip
    """The rule of max pooling for all pairs: the larger side's position, and both changes' ratio.

    Args:
        x: Inputs of the pool, float64.
        y, x_at, x_offset: Its outputs, their positions among the inputs, and in their windows.
        b, y_b, b_at, b_offset: The same of the background.
        ratio, offset: (n, b, outputs), written.
    """
    for other in range(len(b)):
        for image in range(len(x)):
            for at in range(y.shape[1]):
                up, down = y[image, at], y_b[other, at]
                of_up, of_down = up - b[other, x_at[image, at]], x[image, b_at[other, at]] - down
                own = of_up if up > down else of_down
                ratio[image, other, at] = (up - down) / own if own != 0 else 0
                which = x_offset[image, at] if up > down else b_offset[other, at]
                offset[image, other, at] = which


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
