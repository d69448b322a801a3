"""Compiled loops that skip the zeros behind ReLU and max pooling, where numba is installed.

Two more go through all multipliers in order: where each meets few weights, listing those that are
not 0 would cost more than it saves. Every function returns None where PyTorch has to compute
instead: without numba, on other devices, in other dtypes, and where pooling windows overlap.

The package may import `deepshap.multiplier` and nothing else of the engine; only rules call it.
"""

from deepshap.kernels.dispatch import (
    contracted,
    is_worth_listing,
    pool_ratios,
    relu_ratios,
    transposed,
)
from deepshap.kernels.in_order_dispatch import depthwise, pointwise
from deepshap.kernels.layout import LANES, Weight

__all__ = [
    "LANES", "Weight", "contracted", "depthwise", "is_worth_listing", "pointwise", "pool_ratios",
    "relu_ratios", "transposed",
]  # fmt: skip
