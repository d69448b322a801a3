"""The linear part of the table of operations: everything whose rule is its transpose."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.grad import conv2d_input

from .rules import Linear, Rule, Transpose

Target = Callable[..., Any] | str
"""What a traced call names: a function, or a method by its name."""

LINEAR: dict[Target, Rule] = {}
"""The linear operations."""


def pair(value: Any) -> tuple[int, int]:
    """Spell out a size that PyTorch takes as one number or two."""
    return (value, value) if isinstance(value, int) else (value[0], value[-1])


def _is_linear(
    *targets: Target, transpose: Transpose | None = None
) -> Callable[[Callable[..., Tensor]], Callable[..., Tensor]]:
    def register(apply: Callable[..., Tensor]) -> Callable[..., Tensor]:
        LINEAR.update(dict.fromkeys(targets, Linear(apply, transpose)))
        return apply

    return register


def _channels_last(planes: Tensor) -> Tensor:
    # The layout in which transposed convolutions run fastest, and in which element-wise ratios
    # then meet their multipliers in memory order.
    return planes.contiguous(memory_format=torch.channels_last)


def _conv2d_transpose(
    rows: Tensor,
    shape: torch.Size,
    weight: Tensor,
    bias: Tensor | None,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
) -> Tensor:
    weight, rows = _channels_last(weight), _channels_last(rows)
    if isinstance(padding, str):  # "same" may pad one side by one more, which numbers cannot say
        total = [d * (k - 1) for d, k in zip(pair(dilation), weight.shape[2:], strict=True)]
        total = total if padding == "same" else [0, 0]
        top, left = (side // 2 for side in total)
        around = torch.Size((*shape[:2], shape[2] + total[0], shape[3] + total[1]))
        padded = _conv2d_transpose(rows, around, weight, bias, stride, 0, dilation, groups)
        return padded[:, :, top : top + shape[2], left : left + shape[3]]
    size = torch.Size((len(rows), *shape[1:]))
    planes: Tensor = conv2d_input(size, weight, rows, stride, padding, dilation, groups)
    return planes


@_is_linear(F.conv2d, torch.conv2d, transpose=_conv2d_transpose)
def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """Convolve; named because a first convolution can be contracted."""
    return _channels_last(F.conv2d(input, weight, bias, stride, padding, dilation, groups))


def _conv_transpose2d_transpose(
    rows: Tensor,
    shape: torch.Size,
    weight: Tensor,
    bias: Tensor | None,
    stride: Any,
    padding: Any,
    output_padding: Any,
    groups: int,
    dilation: Any,
) -> Tensor:
    return F.conv2d(_channels_last(rows), weight, None, stride, padding, dilation, groups)


@_is_linear(F.conv_transpose2d, torch.conv_transpose2d, transpose=_conv_transpose2d_transpose)
def _conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    return _channels_last(
        F.conv_transpose2d(input, weight, bias, stride, padding, output_padding, groups, dilation)
    )


def _linear_transpose(
    rows: Tensor, shape: torch.Size, weight: Tensor, bias: Tensor | None
) -> Tensor:
    return rows @ weight


@_is_linear(F.linear, transpose=_linear_transpose)
def _linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    return F.linear(input, weight, bias)


@_is_linear(torch.matmul, operator.matmul, "matmul")
def _matmul(input: Tensor, other: Tensor) -> Tensor:
    return input @ other


@_is_linear(F.avg_pool2d)
def _avg_pool2d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    return F.avg_pool2d(
        input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


@_is_linear(F.adaptive_avg_pool2d)
def _adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:
    return F.adaptive_avg_pool2d(input, output_size)


@_is_linear(torch.mean, "mean")
def _mean(input: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
    return torch.mean(input, dim, keepdim)


@_is_linear(torch.sum, "sum")
def _sum(input: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
    return torch.sum(input, dim, keepdim)


@_is_linear(F.pad)
def _pad(input: Tensor, pad: Any, mode: str = "constant", value: float | None = None) -> Tensor:
    return F.pad(input, pad, mode, value)


@_is_linear(torch.permute, "permute")
def _permute(input: Tensor, *dims: Any) -> Tensor:
    return input.permute(*dims)


@_is_linear(torch.transpose, "transpose")
def _transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    return input.transpose(dim0, dim1)


@_is_linear(operator.getitem)
def _getitem(input: Tensor, index: Any) -> Tensor:
    return input[index]


@_is_linear(torch.narrow, "narrow")
def _narrow(input: Tensor, dim: int, start: int, length: int) -> Tensor:
    return input.narrow(dim, start, length)


def _unshaped(rows: Tensor, shape: torch.Size, *args: Any) -> Tensor:
    return rows.reshape(len(rows), *shape[1:])


@_is_linear(torch.flatten, "flatten", transpose=_unshaped)
def _flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    return input.flatten(start_dim, end_dim)


@_is_linear(torch.reshape, "reshape", "view", transpose=_unshaped)
def _reshape(input: Tensor, *shape: Any) -> Tensor:
    return input.reshape(*shape)


@_is_linear(torch.squeeze, "squeeze", transpose=_unshaped)
def _squeeze(input: Tensor, *dim: int) -> Tensor:
    return input.squeeze(*dim)


@_is_linear(torch.unsqueeze, "unsqueeze", transpose=_unshaped)
def _unsqueeze(input: Tensor, dim: int) -> Tensor:
    return input.unsqueeze(dim)


@_is_linear(torch.unflatten, "unflatten", transpose=_unshaped)
def _unflatten(input: Tensor, dim: int, sizes: Any) -> Tensor:
    return torch.unflatten(input, dim, sizes)
