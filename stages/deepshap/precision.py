"""Forward passes in float64; what they leave behind in the dtype of the images.

A multiplier divides a change by a change. In float32 a probability whose logit changes by a
thousandth of itself would have four digits left. Only n + b images go forward, where n * b * k
multipliers go back: the digits cost next to nothing.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class Precision:
    """Conversions of one forward pass.

    Args:
        images: What goes forward, in the dtype to keep.
    """

    def __init__(self, images: Tensor) -> None:
        self._dtype = images.dtype
        has_float64 = images.device.type != "mps"
        self._wide = torch.float64 if has_float64 else images.dtype
        self._narrow: dict[Tensor, Tensor] = {}

    def widened(self, value: Any) -> Any:
        """Convert a floating-point tensor to compute with; pass anything else."""
        if not _converts(value, self._wide):
            return value
        return self.known(value.to(self._wide), value)

    def known(self, wide: Any, value: Any) -> Any:
        """Take note that `wide`, which is returned, has been made of `value`."""
        if wide is not value:
            self._narrow[wide] = value
        return wide

    def narrowed(self, value: Any) -> Any:
        """Convert the tensors in nested tuples and lists to keep; each tensor once."""
        if isinstance(value, list | tuple) and not isinstance(value, torch.Size):
            return type(value)(map(self.narrowed, value))
        if not _converts(value, self._dtype):
            return value
        if value not in self._narrow:
            self._narrow[value] = value.to(self._dtype)
        return self._narrow[value]


def _converts(value: Any, dtype: torch.dtype) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point() and value.dtype != dtype
