"""Forward passes in float64; what the way back reads in the dtype of the images.

A multiplier divides a change by a change. In float32 a probability whose logit changes by a
thousandth of itself would have four digits left. Only n + b images go forward, where n * b * k
multipliers go back: the digits cost next to nothing. What is kept in float32 loses none of them as
long as both changes are computed from the same rounded values.
"""

from functools import cached_property
from typing import Any

import torch
from torch import Tensor


class Precision:
    """The two dtypes of a forward pass.

    Args:
        images: What goes forward, in the dtype to keep.
    """

    def __init__(self, images: Tensor) -> None:
        self._narrow = images.dtype
        has_float64 = images.device.type != "mps"
        self._wide = torch.float64 if has_float64 else images.dtype

    def widened(self, value: Any) -> Any:
        """Convert a floating-point tensor to compute with; pass anything else."""
        return _converted(value, self._wide)

    def narrowed(self, value: Any) -> Any:
        """Convert a floating-point tensor to the images' dtype; pass anything else."""
        return _converted(value, self._narrow)


class Activation:
    """What one step computes, (n, ...): to compute with, and to keep.

    Attributes:
        wide: In the precision of the forward pass.
    """

    def __init__(self, wide: Tensor, precision: Precision) -> None:
        self.wide = wide
        self.precision = precision

    @cached_property
    def narrow(self) -> Tensor:
        """In the images' dtype."""
        narrow: Tensor = self.precision.narrowed(self.wide)
        return narrow


def _converted(value: Any, dtype: torch.dtype) -> Any:
    if isinstance(value, Tensor) and value.is_floating_point():
        return value.to(dtype)
    return value
