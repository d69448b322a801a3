"""Sorting and its relatives: their values as minima and maxima of two elements.

A sorting network compares the same pairs of positions whatever the values, so the two-player rule
of minimum and maximum composes to a rule of each rank. Positions have no rule.

Source: merge exchange, Batcher 1968; Knuth, The Art of Computer Programming, 5.2.2, Algorithm M.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

_aten = torch.ops.aten


def _comparators(n: int) -> Iterator[tuple[int, int, int]]:
    """Layers of a network for n elements: i and i + distance are compared if i & bit == value."""
    largest = 1 << max(0, (n - 1).bit_length() - 1)
    bit = largest if n > 1 else 0
    while bit:
        yield bit, 0, bit
        step = largest
        while step > bit:
            yield bit, bit, step - bit
            step //= 2
        bit //= 2


def _ascending(x: Tensor) -> Tensor:
    """The values in ascending order along the first axis."""
    n = len(x)
    at = torch.arange(n, device=x.device)
    for bit, value, distance in _comparators(n):
        is_first = at // bit % 2 == value // bit
        first = is_first & (at < n - distance)
        second = ~is_first & (at >= distance)
        other = x.index_select(0, at + distance * (first.long() - second.long()))
        smaller = first.reshape(-1, *[1] * (x.ndim - 1))
        x = torch.where(smaller, torch.minimum(x, other), torch.maximum(x, other))
    return x


def _in_order(x: Tensor, dim: int = -1, descending: bool = False, **_: Any) -> Any:
    """Sorted values, and positions, which have no rule."""
    if not x.is_floating_point():
        return NotImplemented
    values = _ascending(x.movedim(dim, 0))
    values = (values.flip(0) if descending else values).movedim(0, dim)
    return values, x.argsort(dim, descending)


def _largest(x: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Any:
    ordered = _in_order(x, dim, largest)
    if ordered is NotImplemented:
        return NotImplemented
    return tuple(each.narrow(dim, 0, k) for each in ordered)


def _ranked(x: Tensor, k: int, dim: int = -1, keepdim: bool = False) -> Any:
    """The k-th smallest value, counted from 1."""
    ordered = _in_order(x, dim)
    if ordered is NotImplemented:
        return NotImplemented
    picked = tuple(each.narrow(dim, k - 1, 1) for each in ordered)
    return picked if keepdim else tuple(each.squeeze(dim) for each in picked)


def _median(x: Tensor, dim: int, keepdim: bool = False) -> Any:
    return _ranked(x, (x.shape[dim] + 1) // 2, dim, keepdim)


def _median_of_all(x: Tensor) -> Any:
    median = _median(x.flatten(), 0)
    return median if median is NotImplemented else median[0]


def _quantile(
    x: Tensor,
    q: float,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    interpolation: str = "linear",
) -> Any:
    """Between the two values whose ranks are nearest to q (n - 1)."""
    if dim is None:
        one = _quantile(x.flatten(), q, 0, interpolation=interpolation)
        return one.reshape([1] * x.ndim) if keepdim else one
    rank = q * (x.shape[dim] - 1)
    below, above = math.floor(rank), math.ceil(rank)
    share = {"linear": rank - below, "midpoint": 0.5, "lower": 0.0, "higher": 1.0}.get(
        interpolation,
        float(round(rank) - below),  # nearest
    )
    values = _ascending(x.movedim(dim, 0))
    chosen = values[below] + share * (values[above] - values[below])
    return chosen.unsqueeze(dim) if keepdim else chosen


ORDER: dict[Any, Callable[..., Any]] = {
    _aten.kthvalue.default: _ranked,
    _aten.median.default: _median_of_all,
    _aten.median.dim: _median,
    _aten.nanmedian.default: _median_of_all,  # no activation is NaN
    _aten.nanmedian.dim: _median,
    _aten.nanquantile.scalar: _quantile,
    _aten.quantile.scalar: _quantile,
    _aten.sort.default: _in_order,
    _aten.sort.stable: _in_order,
    _aten.topk.default: _largest,
}
