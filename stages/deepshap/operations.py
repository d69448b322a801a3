"""The table of operations: which PyTorch function follows which rule.

Modules are traced down to the functions they call, so one entry serves a module, its functional
form and its method. To add an operation, write the function with PyTorch's argument names under
the rule it follows, and list the targets that mean it.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from . import nonlinear, rules
from .linear_operations import LINEAR, Target, pair
from .rules import Rule

OPERATIONS: dict[Target, Rule] = dict(LINEAR)
"""Every operation that has a rule."""


def _register(rule: Rule, *targets: Target) -> None:
    OPERATIONS.update(dict.fromkeys(targets, rule))


# Element by element


def _is_elementwise(*targets: Target) -> Callable[[Callable[..., Tensor]], Callable[..., Tensor]]:
    def register(apply: Callable[..., Tensor]) -> Callable[..., Tensor]:
        _register(nonlinear.Elementwise(apply), *targets)
        return apply

    return register


def _relu(input: Tensor, inplace: bool = False) -> Tensor:
    return torch.relu(input)


_register(nonlinear.Rectifier(_relu), F.relu, F.relu_, torch.relu, torch.relu_, "relu", "relu_")


@_is_elementwise(F.leaky_relu, F.leaky_relu_)
def _leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    return F.leaky_relu(input, negative_slope)


@_is_elementwise(F.elu, F.elu_)
def _elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    return F.elu(input, alpha)


@_is_elementwise(F.selu, F.selu_, torch.selu, torch.selu_)
def _selu(input: Tensor, inplace: bool = False) -> Tensor:
    return F.selu(input)


@_is_elementwise(F.gelu)
def _gelu(input: Tensor, approximate: str = "none") -> Tensor:
    return F.gelu(input, approximate=approximate)


@_is_elementwise(F.silu)
def _silu(input: Tensor, inplace: bool = False) -> Tensor:
    return F.silu(input)


@_is_elementwise(F.hardswish)
def _hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    return F.hardswish(input)


@_is_elementwise(F.hardsigmoid)
def _hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    return F.hardsigmoid(input)


@_is_elementwise(F.hardtanh, F.hardtanh_)  # also what F.relu6 calls
def _hardtanh(
    input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False
) -> Tensor:
    return F.hardtanh(input, min_val, max_val)


@_is_elementwise(F.relu6)
def _relu6(input: Tensor, inplace: bool = False) -> Tensor:
    return F.relu6(input)


@_is_elementwise(F.sigmoid, torch.sigmoid, torch.sigmoid_, "sigmoid", "sigmoid_")
def _sigmoid(input: Tensor) -> Tensor:
    return torch.sigmoid(input)


@_is_elementwise(F.tanh, torch.tanh, torch.tanh_, "tanh", "tanh_")
def _tanh(input: Tensor) -> Tensor:
    return torch.tanh(input)


@_is_elementwise(F.softplus)
def _softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    return F.softplus(input, beta, threshold)


def _softmax(input: Tensor, dim: int, _stacklevel: int = 3, dtype: None = None) -> Tensor:
    return F.softmax(input, dim)


def _log_softmax(input: Tensor, dim: int, _stacklevel: int = 3, dtype: None = None) -> Tensor:
    return F.log_softmax(input, dim)


_register(nonlinear.Softmax(_softmax), F.softmax, torch.softmax, "softmax")
_register(nonlinear.Softmax(_log_softmax), F.log_softmax, torch.log_softmax, "log_softmax")


# Nothing to undo


def _dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    if training:
        raise NotImplementedError("it drops at random; pass training=self.training")
    return input


def _float(input: Tensor) -> Tensor:
    return input if input.dtype == torch.float64 else input.float()


_register(rules.Unchanged(_dropout), F.dropout, F.dropout1d, F.dropout2d, F.dropout3d)
_register(rules.Unchanged(_dropout), F.alpha_dropout, F.feature_alpha_dropout, torch.dropout)
_register(rules.Unchanged(lambda input: input), "contiguous", "clone", torch.clone)
_register(rules.Unchanged(_float), "float")


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


def _batch_norm(
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


def _add(input: Tensor, other: Any, alpha: float = 1) -> Tensor:
    return torch.add(input, other, alpha=alpha) if alpha != 1 else input + other


def _subtract(input: Any, other: Any, alpha: float = 1) -> Tensor:
    difference: Tensor = input - (other if alpha == 1 else alpha * other)
    return difference


def _multiply(input: Any, other: Any) -> Tensor:
    product: Tensor = input * other
    return product


def _divide(input: Any, other: Any) -> Tensor:
    quotient: Tensor = input / other
    return quotient


def _negate(input: Tensor) -> Tensor:
    return -input


def _concatenate(tensors: Any, dim: int = 0) -> Tensor:
    return torch.cat(tensors, dim)


_register(rules.Scale(_batch_norm, _batch_norm_factor), F.batch_norm)
_register(rules.Scale(_divide, lambda input, other: 1 / other), operator.truediv, torch.div, "div")
_register(rules.Scale(_negate, lambda input: -1.0), operator.neg, torch.neg, "neg")
_register(rules.Sum(_add), operator.add, operator.iadd, torch.add, "add", "add_")
_register(rules.Sum(_subtract, -1), operator.sub, operator.isub, torch.sub, "sub", "sub_")
_register(nonlinear.Product(_multiply), operator.mul, operator.imul, torch.mul, "mul", "mul_")
_register(rules.Concatenation(_concatenate), torch.cat, torch.concat)


# Max pooling


def _max_pool2d(
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


def _adaptive_max_pool2d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    if return_indices:
        raise NotImplementedError("its indices have no multiplier; use return_indices=False")
    return F.adaptive_max_pool2d(input, output_size, return_indices=True)


_register(nonlinear.MaxPool(_max_pool2d, _tiling), F.max_pool2d, torch.max_pool2d)
_register(nonlinear.MaxPool(_adaptive_max_pool2d, lambda *_: None), F.adaptive_max_pool2d)
