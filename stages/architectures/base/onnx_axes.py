"""ONNX's operators that rearrange axes, as functions of PyTorch."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

Numbers = NDArray[Any] | Sequence[int] | None


def ints(numbers: Numbers) -> list[int]:
    """Whole numbers from an input or an attribute; none if it is omitted."""
    return [] if numbers is None else [int(number) for number in np.asarray(numbers).flatten()]


def flatten(x: Tensor, *, axis: int = 1) -> Tensor:
    """ONNX's Flatten."""
    return x.flatten(1) if axis == 1 else x.reshape(math.prod(x.shape[:axis]), -1)


def reshape(x: Tensor, shape: Any, *, allowzero: int = 0) -> Tensor:
    """ONNX's Reshape."""
    sides = ints(shape)
    if not allowzero:
        sides = [side or x.shape[axis] for axis, side in enumerate(sides)]
    return x.reshape(sides)


def transpose(x: Tensor, *, perm: Sequence[int] | None = None) -> Tensor:
    """ONNX's Transpose."""
    return x.permute(*(perm or reversed(range(x.ndim))))


def concat(*parts: Tensor, axis: int) -> Tensor:
    """ONNX's Concat; a part for one image, such as a class token, is repeated for all."""
    n = max(len(part) for part in parts)
    if axis:
        parts = tuple(part.expand(n, *part.shape[1:]) if len(part) != n else part for part in parts)
    return torch.cat(parts, axis)


def split(
    x: Tensor,
    sizes: Numbers = None,
    *,
    axis: int = 0,
    split: Sequence[int] | None = None,
    num_outputs: int = 1,
) -> tuple[Tensor, ...]:
    """ONNX's Split."""
    given = ints(sizes) or split
    parts: tuple[Tensor, ...] = x.split(given or math.ceil(x.shape[axis] / num_outputs), axis)
    return parts


def slice_axes(
    x: Tensor, starts: Numbers, ends: Numbers, axes: Numbers = None, steps: Numbers = None
) -> Tensor:
    """ONNX's Slice."""
    begin, end = ints(starts), ints(ends)
    along = ints(axes) or list(range(len(begin)))
    for axis, start, stop, step in zip(
        along, begin, end, ints(steps) or [1] * len(begin), strict=True
    ):
        if step > 0:
            x = x[(slice(None),) * (axis % x.ndim) + (slice(start, stop, step),)]
        else:
            chosen = range(x.shape[axis])[start:stop:step]
            x = x.index_select(axis, torch.tensor(list(chosen), device=x.device))
    return x


def gather(x: Tensor, indices: Any, *, axis: int = 0) -> Tensor:
    """ONNX's Gather, with constant indices."""
    if indices.ndim == 0:
        return x.select(axis, int(indices))
    chosen = torch.tensor(indices.flatten() % x.shape[axis], device=x.device)
    axis %= x.ndim
    return x.index_select(axis, chosen).reshape(
        *x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]
    )


def unsqueeze(x: Tensor, axes: Numbers) -> Tensor:
    """ONNX's Unsqueeze."""
    dims = ints(axes)
    for axis in sorted(axis % (x.ndim + len(dims)) for axis in dims):
        x = x.unsqueeze(axis)
    return x


def squeeze(x: Tensor, axes: Numbers = None) -> Tensor:
    """ONNX's Squeeze; the axis of images stays."""
    dims = ints(axes) or [axis for axis, side in enumerate(x.shape) if side == 1 and axis]
    return x.squeeze(dims)


def pad(
    x: Tensor, pads: Numbers, value: Any = None, axes: Numbers = None, *, mode: str = "constant"
) -> Tensor:
    """ONNX's Pad."""
    both, dims = ints(pads), ints(axes) or list(range(x.ndim))
    sides = [0] * 2 * x.ndim
    for axis, before, after in zip(dims, both[: len(dims)], both[len(dims) :], strict=True):
        last = x.ndim - 1 - axis % x.ndim
        sides[2 * last : 2 * last + 2] = [before, after]
    while sides and not any(sides[-2:]):
        del sides[-2:]
    if not sides:
        return x
    if mode == "constant":
        return F.pad(x, sides, value=float(value or 0))
    return F.pad(x, sides, {"edge": "replicate", "wrap": "circular"}.get(mode, mode))


def expand(x: Tensor, shape: Numbers) -> Tensor:
    """ONNX's Expand."""
    return x.expand(torch.broadcast_shapes(x.shape, ints(shape)))
