"""ONNX's operators as functions of PyTorch: inputs come first, attributes by name.

Float inputs arrive as tensors, whole numbers (shapes, axes, indices) as NumPy arrays. Source:
https://onnx.ai/onnx/operators, for all versions of an operator.
"""

from collections.abc import Callable
from functools import partial, reduce
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from stages.architectures.base import onnx_axes as axes
from stages.architectures.base import onnx_windows as windows
from stages.architectures.base.onnx_axes import Numbers, ints

# Operators whose inputs are numbers in NumPy, except for the first.
NUMBERS_BEHIND_FIRST = {"Clip", "Dropout", "Pad", "Pow", "Resize", "Upsample"}


def _global(pool: Callable[..., Tensor], x: Tensor) -> Tensor:
    return pool(x, dim=tuple(range(2, x.ndim)), keepdim=True)


def _gemm(
    a: Tensor,
    b: Tensor,
    c: Tensor | None = None,
    *,
    alpha: float = 1.0,
    beta: float = 1.0,
    transA: int = 0,
    transB: int = 0,
) -> Tensor:
    product = F.linear(a.T if transA else a, b if transB else b.T)
    product = product if alpha == 1 else alpha * product
    if c is None:
        return product
    return product + (c if beta == 1 else beta * c)


def _batch_norm(
    x: Tensor,
    scale: Tensor,
    shift: Tensor,
    mean: Tensor,
    variance: Tensor,
    *,
    epsilon: float = 1e-5,
    momentum: float = 0.9,  # of training
    spatial: int = 1,
    training_mode: int = 0,
) -> Tensor:
    return F.batch_norm(x, mean, variance, scale, shift, eps=epsilon)


def _layer_norm(
    x: Tensor,
    scale: Tensor,
    shift: Tensor | None = None,
    *,
    axis: int = -1,
    epsilon: float = 1e-5,
    stash_type: int = 1,
) -> Tensor:
    return F.layer_norm(x, x.shape[axis:], scale, shift, epsilon)


def _instance_norm(x: Tensor, scale: Tensor, shift: Tensor, *, epsilon: float = 1e-5) -> Tensor:
    return F.instance_norm(x, weight=scale, bias=shift, eps=epsilon)


def _group_norm(
    x: Tensor,
    scale: Tensor,
    shift: Tensor,
    *,
    num_groups: int,
    epsilon: float = 1e-5,
    stash_type: int = 1,
) -> Tensor:
    return F.group_norm(x, num_groups, scale, shift, epsilon)


def _response_norm(
    x: Tensor, *, size: int, alpha: float = 1e-4, beta: float = 0.75, bias: float = 1.0
) -> Tensor:
    return F.local_response_norm(x, size, alpha, beta, bias)


def _clip(
    x: Tensor, low: Any = None, high: Any = None, *, min: Any = None, max: Any = None
) -> Tensor:
    bounds = (low if low is not None else min), (high if high is not None else max)
    return torch.clamp(x, *(None if bound is None else float(bound) for bound in bounds))


def _prelu(x: Tensor, slope: Tensor) -> Tensor:
    return F.prelu(x, slope.flatten())


def _hard_sigmoid(x: Tensor, *, alpha: float = 0.2, beta: float = 0.5) -> Tensor:
    return torch.clamp(alpha * x + beta, 0, 1)


def _selu(
    x: Tensor, *, alpha: float = 1.67326319217681884765625, gamma: float = 1.05070102214813232421875
) -> Tensor:
    return gamma * F.elu(x, alpha)


def _power(x: Tensor, exponent: Any) -> Tensor:
    single = isinstance(exponent, np.ndarray) and exponent.size == 1
    return torch.pow(x, exponent.item() if single else exponent)


def _softmax(x: Tensor, *, axis: int = -1, flatten: bool = False) -> Tensor:
    """Before version 13, all axes from `axis` on are one."""
    return x.flatten(axis).softmax(-1).reshape(x.shape) if flatten else x.softmax(axis)


def _reduction(
    function: Callable[..., Tensor],
    x: Tensor,
    axes: Numbers = None,
    *,
    keepdims: int = 1,
    noop_with_empty_axes: int = 0,
) -> Tensor:
    dims = ints(axes)
    if not dims and noop_with_empty_axes:
        return x
    return function(x, dim=dims or list(range(x.ndim)), keepdim=bool(keepdims))


def _l1(x: Tensor, **options: Any) -> Tensor:
    return x.abs().sum(**options)


def _square_sum(x: Tensor, **options: Any) -> Tensor:
    return x.square().sum(**options)


def _where(condition: Any, a: Tensor, b: Tensor) -> Tensor:
    return torch.where(torch.tensor(condition, device=a.device), a, b)


def _cast_like(x: Any, like: Tensor) -> Tensor:
    """Floats are float32 already; constant whole numbers arrive in NumPy."""
    return x if isinstance(x, Tensor) else torch.tensor(x.astype("f4"), device=like.device)


def _folded(function: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
    return lambda *inputs: reduce(function, inputs)


OPERATORS: dict[str, Callable[..., Any]] = {
    "Abs": torch.abs,
    "Add": torch.add,
    "AveragePool": windows.average_pool,
    "BatchNormalization": _batch_norm,
    "Cast": lambda x, *, to, saturate=1: x,  # all floats are float32
    "CastLike": _cast_like,
    "Celu": lambda x, *, alpha=1.0: F.celu(x, alpha),
    "Clip": _clip,
    "Concat": axes.concat,
    "Conv": windows.conv,
    "ConvTranspose": windows.conv_transpose,
    "Cos": torch.cos,
    "Div": torch.div,
    "Dropout": lambda x, *_, ratio=0.5, seed=0: x,
    "Einsum": lambda *inputs, equation: torch.einsum(equation, *inputs),
    "Elu": lambda x, *, alpha=1.0: F.elu(x, alpha),
    "Erf": torch.erf,
    "Exp": torch.exp,
    "Expand": axes.expand,
    "Flatten": axes.flatten,
    "Gather": axes.gather,
    "Gelu": lambda x, *, approximate="none": F.gelu(x, approximate=approximate),
    "Gemm": _gemm,
    "GlobalAveragePool": partial(_global, torch.mean),
    "GlobalMaxPool": partial(_global, torch.amax),
    "GroupNormalization": _group_norm,
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": F.hardswish,
    "Identity": lambda x: x,
    "InstanceNormalization": _instance_norm,
    "LRN": _response_norm,
    "LayerNormalization": _layer_norm,
    "LeakyRelu": lambda x, *, alpha=0.01: F.leaky_relu(x, alpha),
    "Log": torch.log,
    "LogSoftmax": lambda x, *, axis=-1: x.log_softmax(axis),
    "LpNormalization": lambda x, *, axis=-1, p=2: F.normalize(x, p, axis),
    "MatMul": torch.matmul,
    "Max": _folded(torch.maximum),
    "MaxPool": windows.max_pool,
    "Min": _folded(torch.minimum),
    "Mish": F.mish,
    "Mul": torch.mul,
    "Neg": torch.neg,
    "PRelu": _prelu,
    "Pad": axes.pad,
    "Pow": _power,
    "Reciprocal": torch.reciprocal,
    "ReduceL1": partial(_reduction, _l1),
    "ReduceL2": partial(_reduction, torch.linalg.vector_norm),
    "ReduceLogSumExp": partial(_reduction, torch.logsumexp),
    "ReduceMax": partial(_reduction, torch.amax),
    "ReduceMean": partial(_reduction, torch.mean),
    "ReduceMin": partial(_reduction, torch.amin),
    "ReduceSum": partial(_reduction, torch.sum),
    "ReduceSumSquare": partial(_reduction, _square_sum),
    "Relu": torch.relu,
    "Reshape": axes.reshape,
    "Resize": windows.resize,
    "Selu": _selu,
    "Sigmoid": torch.sigmoid,
    "Sin": torch.sin,
    "Slice": axes.slice_axes,
    "Softmax": _softmax,
    "Softplus": F.softplus,
    "Softsign": F.softsign,
    "Split": axes.split,
    "Sqrt": torch.sqrt,
    "Squeeze": axes.squeeze,
    "Sub": torch.sub,
    "Sum": _folded(torch.add),
    "Tanh": torch.tanh,
    "Tile": lambda x, repeats: x.repeat(ints(repeats)),
    "Transpose": axes.transpose,
    "Unsqueeze": axes.unsqueeze,
    "Upsample": windows.upsample,
    "Where": _where,
}
"""The function of each operator."""
