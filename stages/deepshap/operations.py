"""The table of operations: which PyTorch function follows which rule.

Modules are traced down to the functions they call, so one entry serves a module, its functional form and
its method. To add an operation, write the function with PyTorch's argument names under the rule it
follows, and list the targets that mean it.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.grad import conv2d_input

from . import rules

Target = Callable[..., Any] | str
"""What a traced call names: a function, or a method by its name."""


class UnsupportedOperation(NotImplementedError):  # noqa: N818 (the name says what happened)
    """The network holds an operation without a rule.

    Args:
        operation: What is called.
        place: Where in the network.
        advice: What is wrong with it, and what to use instead.
    """

    def __init__(self, operation: str, place: str, advice: str) -> None:
        super().__init__(f"{operation} at {place}: {advice}")
        self.operation = operation
        self.place = place


OPERATIONS: dict[Target, rules.Rule] = {}
"""Every operation that has a rule."""


def _add(rule: rules.Rule, *targets: Target) -> None:
    OPERATIONS.update(dict.fromkeys(targets, rule))


# Element by element


def _elementwise(*targets: Target) -> Callable[[Callable[..., Tensor]], Callable[..., Tensor]]:
    def register(apply: Callable[..., Tensor]) -> Callable[..., Tensor]:
        _add(rules.Elementwise(apply), *targets)
        return apply

    return register


@_elementwise(F.relu, F.relu_, torch.relu, torch.relu_, "relu", "relu_")
def relu(input: Tensor, inplace: bool = False) -> Tensor:
    return torch.relu(input)


@_elementwise(F.leaky_relu, F.leaky_relu_)
def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    return F.leaky_relu(input, negative_slope)


@_elementwise(F.elu, F.elu_)
def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    return F.elu(input, alpha)


@_elementwise(F.selu, F.selu_, torch.selu, torch.selu_)
def selu(input: Tensor, inplace: bool = False) -> Tensor:
    return F.selu(input)


@_elementwise(F.gelu)
def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    return F.gelu(input, approximate=approximate)


@_elementwise(F.silu)
def silu(input: Tensor, inplace: bool = False) -> Tensor:
    return F.silu(input)


@_elementwise(F.hardswish)
def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    return F.hardswish(input)


@_elementwise(F.hardsigmoid)
def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    return F.hardsigmoid(input)


@_elementwise(F.relu6)
def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    return F.relu6(input)


@_elementwise(F.sigmoid, torch.sigmoid, torch.sigmoid_, "sigmoid", "sigmoid_")
def sigmoid(input: Tensor) -> Tensor:
    return torch.sigmoid(input)


@_elementwise(F.tanh, torch.tanh, torch.tanh_, "tanh", "tanh_")
def tanh(input: Tensor) -> Tensor:
    return torch.tanh(input)


@_elementwise(F.softplus)
def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    return F.softplus(input, beta, threshold)


def softmax(input: Tensor, dim: int, _stacklevel: int = 3, dtype: None = None) -> Tensor:
    return F.softmax(input, dim)


def log_softmax(input: Tensor, dim: int, _stacklevel: int = 3, dtype: None = None) -> Tensor:
    return F.log_softmax(input, dim)


_add(rules.Softmax(softmax), F.softmax, torch.softmax, "softmax")
_add(rules.Softmax(log_softmax), F.log_softmax, torch.log_softmax, "log_softmax")


# Linear


def _linear(
    *targets: Target, transpose: rules.Transpose | None = None
) -> Callable[[Callable[..., Tensor]], Callable[..., Tensor]]:
    def register(apply: Callable[..., Tensor]) -> Callable[..., Tensor]:
        _add(rules.Linear(apply, transpose), *targets)
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
    return conv2d_input(
        torch.Size((len(rows), *shape[1:])), weight, rows, stride, padding, dilation, groups
    )


@_linear(F.conv2d, torch.conv2d, transpose=_conv2d_transpose)
def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
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


@_linear(F.conv_transpose2d, torch.conv_transpose2d, transpose=_conv_transpose2d_transpose)
def conv_transpose2d(
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


@_linear(F.linear, transpose=_linear_transpose)
def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    return F.linear(input, weight, bias)


@_linear(torch.matmul, operator.matmul, "matmul")
def matmul(input: Tensor, other: Tensor) -> Tensor:
    return input @ other


@_linear(F.avg_pool2d)
def avg_pool2d(
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


@_linear(F.adaptive_avg_pool2d)
def adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:
    return F.adaptive_avg_pool2d(input, output_size)


@_linear(torch.mean, "mean")
def mean(input: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
    return torch.mean(input, dim, keepdim)


@_linear(torch.sum, "sum")
def sum_(input: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
    return torch.sum(input, dim, keepdim)


@_linear(F.pad)
def pad(
    input: Tensor, pad: Any, mode: str = "constant", value: float | None = None
) -> Tensor:
    return F.pad(input, pad, mode, value)


@_linear(torch.permute, "permute")
def permute(input: Tensor, *dims: Any) -> Tensor:
    return input.permute(*dims)


@_linear(torch.transpose, "transpose")
def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    return input.transpose(dim0, dim1)


@_linear(operator.getitem)
def getitem(input: Tensor, index: Any) -> Tensor:
    return input[index]


@_linear(torch.narrow, "narrow")
def narrow(input: Tensor, dim: int, start: int, length: int) -> Tensor:
    return input.narrow(dim, start, length)


def _unshaped(rows: Tensor, shape: torch.Size, *args: Any) -> Tensor:
    return rows.reshape(len(rows), *shape[1:])


@_linear(torch.flatten, "flatten", transpose=_unshaped)
def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    return input.flatten(start_dim, end_dim)


@_linear(torch.reshape, "reshape", "view", transpose=_unshaped)
def reshape(input: Tensor, *shape: Any) -> Tensor:
    return input.reshape(*shape)


@_linear(torch.squeeze, "squeeze", transpose=_unshaped)
def squeeze(input: Tensor, *dim: int) -> Tensor:
    return input.squeeze(*dim)


@_linear(torch.unsqueeze, "unsqueeze", transpose=_unshaped)
def unsqueeze(input: Tensor, dim: int) -> Tensor:
    return input.unsqueeze(dim)


@_linear(torch.unflatten, "unflatten", transpose=_unshaped)
def unflatten(input: Tensor, dim: int, sizes: Any) -> Tensor:
    return input.unflatten(dim, sizes)


# Nothing to undo


def _dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    if training:
        raise NotImplementedError("it drops at random; pass training=self.training")
    return input


_add(rules.Unchanged(_dropout), F.dropout, F.dropout1d, F.dropout2d, F.dropout3d)
_add(rules.Unchanged(_dropout), F.alpha_dropout, F.feature_alpha_dropout, torch.dropout)
_add(rules.Unchanged(lambda input: input), "contiguous", "clone", torch.clone)
_add(rules.Unchanged(lambda input: input.float()), "float")


# Constants and branches


def _batch_norm_factor(
    input: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
) -> Tensor:
    factor = (running_var + eps).rsqrt()
    factor = factor if weight is None else factor * weight
    return factor.reshape(-1, *[1] * (input.ndim - 2))


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    if training or running_var is None:
        raise NotImplementedError("it mixes the images of a batch; keep running statistics")
    return F.batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)


def add(input: Tensor, other: Any, alpha: float = 1) -> Tensor:
    return torch.add(input, other, alpha=alpha) if alpha != 1 else input + other


def subtract(input: Any, other: Any, alpha: float = 1) -> Tensor:
    return input - (other if alpha == 1 else alpha * other)


def multiply(input: Any, other: Any) -> Tensor:
    return input * other


def divide(input: Any, other: Any) -> Tensor:
    return input / other


def negate(input: Tensor) -> Tensor:
    return -input


def concatenate(tensors: Any, dim: int = 0) -> Tensor:
    return torch.cat(tensors, dim)


_add(rules.Scale(batch_norm, _batch_norm_factor), F.batch_norm)
_add(rules.Scale(divide, lambda input, other: 1 / other), operator.truediv, torch.div, "div")
_add(rules.Scale(negate, lambda input: -1.0), operator.neg, torch.neg, "neg")
_add(rules.Sum(add), operator.add, operator.iadd, torch.add, "add", "add_")
_add(rules.Sum(subtract, -1), operator.sub, operator.isub, torch.sub, "sub", "sub_")
_add(rules.Product(multiply), operator.mul, operator.imul, torch.mul, "mul", "mul_")
_add(rules.Concatenation(concatenate), torch.cat, torch.concat)


# Max pooling


def pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (value[0], value[-1])


def max_pool2d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    if return_indices:
        raise NotImplementedError("its indices have no multiplier; use return_indices=False")
    return F.max_pool2d(
        input, kernel_size, stride, padding, dilation, ceil_mode, return_indices=True
    )


def _tiling(
    input: Tensor,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
    return_indices: bool,
) -> tuple[int, int] | None:
    window = pair(kernel_size)
    apart = not stride or pair(stride) == window
    cut = ceil_mode and any(side % tall for side, tall in zip(input.shape[2:], window, strict=True))
    plain = pair(padding) == (0, 0) and pair(dilation) == (1, 1)
    return window if apart and plain and not cut else None


def adaptive_max_pool2d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    if return_indices:
        raise NotImplementedError("its indices have no multiplier; use return_indices=False")
    return F.adaptive_max_pool2d(input, output_size, return_indices=True)


_add(rules.MaxPool(max_pool2d, _tiling), F.max_pool2d, torch.max_pool2d)
_add(rules.MaxPool(adaptive_max_pool2d, lambda *_: None), F.adaptive_max_pool2d)
