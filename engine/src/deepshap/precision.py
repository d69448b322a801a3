"""Forward passes compute in float64; the backward pass reads values in the images' dtype.

A multiplier divides a change by a change. In float32, a probability whose logit changes by a
thousandth of its size would keep four digits. Only n + b images go forward, while n * b * k
multipliers go back, so the extra digits cost next to nothing. Rounding the saved values to float32
loses none of them as long as both changes are computed from the same rounded values.
"""

from functools import cached_property
from typing import Any

import torch
from torch import Tensor


class Precision:
    """The two dtypes of a forward pass.

    Args:
        images: The images of the forward pass, in the dtype to keep.
    """

    def __init__(self, images: Tensor) -> None:
        self._narrow = images.dtype
        has_float64 = images.device.type != "mps"
        self._wide = torch.float64 if has_float64 else images.dtype

    def widened(self, value: Any) -> Any:
        """A floating-point tensor in the dtype to compute in; any other value unchanged."""
        return _converted(value, self._wide)

    def narrowed(self, value: Any) -> Any:
        """A floating-point tensor in the images' dtype; any other value unchanged."""
        return _converted(value, self._narrow)


class Activation:
    """The result of one step, (n, ...), in both dtypes.

    Attributes:
        wide: In the dtype of the forward pass.
        precision: Both dtypes.
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
