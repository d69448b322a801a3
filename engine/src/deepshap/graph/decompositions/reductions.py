"""Distances, statistics and other functions of several elements."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

_aten = torch.ops.aten


def _vector_norm(
    x: Tensor,
    ord: float = 2,
    dim: list[int] | None = None,
    keepdim: bool = False,
    *,
    dtype: torch.dtype | None = None,
) -> Any:
    x = x if dtype is None else x.to(dtype)
    axes = list(range(x.ndim)) if dim is None else dim
    if ord == 2:
        return (x * x).sum(axes, keepdim).sqrt()
    if abs(ord) == math.inf:
        size = x.abs()
        return size.amax(axes, keepdim) if ord > 0 else size.amin(axes, keepdim)
    if ord == 0:
        return x.ne(0).sum(axes, keepdim).to(x.dtype)
    total = (x.abs() if ord == 1 else x.abs() ** ord).sum(axes, keepdim)
    return total if ord == 1 else total ** (1 / ord)


def _distances(a: Tensor, b: Tensor, p: float = 2, compute_mode: int | None = None) -> Any:
    return _vector_norm(a.unsqueeze(-2) - b.unsqueeze(-3), p, [-1])


def _variance(
    x: Tensor,
    dim: list[int] | None = None,
    *,
    correction: float | None = None,
    keepdim: bool = False,
) -> Tensor:
    axes = dim or list(range(x.ndim))
    deviations = x - x.mean(axes, keepdim=True)
    n = math.prod(x.shape[axis] for axis in axes) - (1 if correction is None else correction)
    return (deviations * deviations).sum(axes, keepdim) / max(0, n)


def _deviation(x: Tensor, dim: list[int] | None = None, **options: Any) -> Tensor:
    return _variance(x, dim, **options).sqrt()


def _variance_and_mean(
    x: Tensor, dim: list[int] | None = None, *, keepdim: bool = False, **options: Any
) -> tuple[Tensor, Tensor]:
    mean = x.mean(dim or list(range(x.ndim)), keepdim=keepdim)
    return _variance(x, dim, keepdim=keepdim, **options), mean


def _deviation_and_mean(
    x: Tensor, dim: list[int] | None = None, **options: Any
) -> tuple[Tensor, Tensor]:
    variance, mean = _variance_and_mean(x, dim, **options)
    return variance.sqrt(), mean


def _product(
    x: Tensor, dim: int | None = None, keepdim: bool = False, *, dtype: torch.dtype | None = None
) -> Tensor:
    x = x if dtype is None else x.to(dtype)
    factors = x.flatten() if dim is None else x.movedim(dim, 0)
    while len(factors) > 1:
        half = len(factors) // 2
        pairs = factors[:half] * factors[half : 2 * half]
        factors = torch.cat([pairs, factors[2 * half :]])
    return factors[0].unsqueeze(dim) if keepdim and dim is not None else factors[0]


def _cumulative_product(x: Tensor, dim: int, *, dtype: torch.dtype | None = None) -> Tensor:
    x = x if dtype is None else x.to(dtype)
    factors = x.movedim(dim, 0)
    reach = 1  # number of factors in each product
    while reach < len(factors):
        factors = torch.cat([factors[:reach], factors[reach:] * factors[:-reach]])
        reach *= 2
    return factors.movedim(0, dim)


def _log_sum_exp(x: Tensor, dim: list[int], keepdim: bool = False) -> Tensor:
    last = list(range(-len(dim), 0))
    flat = x.movedim(dim, last).flatten(-len(dim))
    total = (flat - torch.log_softmax(flat, -1)).select(-1, 0)  # the same at every position
    for axis in sorted(axis % x.ndim for axis in dim if keepdim):
        total = total.unsqueeze(axis)
    return total


def _log_add_exp(a: Tensor, b: Tensor) -> Tensor:
    return _log_sum_exp(torch.stack(torch.broadcast_tensors(a, b), -1), [-1])


def _log_add_exp2(a: Tensor, b: Tensor) -> Tensor:
    rate = math.log(2)
    return _log_add_exp(a * rate, b * rate) / rate


def _bilinear(a: Tensor, b: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    mixed = torch.einsum("...i,oij,...j->...o", a, weight, b)
    return mixed if bias is None else mixed + bias


REDUCTIONS: dict[Any, Callable[..., Any]] = {
    _aten.bilinear.default: _bilinear,
    _aten.cdist.default: _distances,
    _aten.cumprod.default: _cumulative_product,
    _aten.linalg_vector_norm.default: _vector_norm,
    _aten.logaddexp.default: _log_add_exp,
    _aten.logaddexp2.default: _log_add_exp2,
    _aten.logsumexp.default: _log_sum_exp,
    _aten.prod.default: _product,
    _aten.prod.dim_int: _product,
    _aten.std.correction: _deviation,
    _aten.std_mean.correction: _deviation_and_mean,
    _aten.var.correction: _variance,
    _aten.var_mean.correction: _variance_and_mean,
}
