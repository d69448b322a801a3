"""Element-wise functions, gates, and operations that move or replace elements."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

_aten = torch.ops.aten


def _copied(x: Tensor, source: Tensor, non_blocking: bool = False) -> Tensor:
    return source.expand(x.shape).to(x.dtype)


def _converted(x: Tensor, other: Tensor) -> Tensor:
    return x.to(other.dtype)


def _weighted_product(x: Tensor, a: Tensor, b: Tensor, *, value: float = 1) -> Tensor:
    return x + a * b * value


def _weighted_quotient(x: Tensor, a: Tensor, b: Tensor, *, value: float = 1) -> Tensor:
    return x + a / b * value


def _gated(x: Tensor, dim: int = -1) -> Tensor:
    value, gate = x.chunk(2, dim)
    return value * gate.sigmoid()


def _unfolded(x: Tensor, dimension: int, size: int, step: int) -> Tensor:
    axis = dimension % x.ndim
    starts = torch.arange(0, x.shape[axis] - size + 1, step, device=x.device)
    index = starts[:, None] + torch.arange(size, device=x.device)
    windows = torch.unflatten(x.index_select(axis, index.flatten()), axis, index.shape)
    return windows.movedim(axis + 1, -1)


def _slice_replaced(
    x: Tensor,
    replacement: Tensor,
    dim: int = 0,
    start: int | None = None,
    end: int | None = None,
    step: int = 1,
) -> Tensor:
    source = torch.arange(x.shape[dim], device=x.device)
    replaced = source[start:end:step]
    appended = x.shape[dim] + torch.arange(len(replaced), device=x.device)
    source = source.index_copy(0, replaced, appended)
    return torch.cat([x, replacement], dim).index_select(dim, source)


def _interpolated(x: Tensor, end: Tensor, weight: Tensor) -> Tensor:
    return x + weight * (end - x)


def _hypotenuse(a: Tensor, b: Tensor) -> Tensor:
    return (a * a + b * b).sqrt()


def _rrelu(
    x: Tensor, lower: float = 1 / 8, upper: float = 1 / 3, training: bool = False, **_: Any
) -> Any:
    return NotImplemented if training else F.leaky_relu(x, (lower + upper) / 2)


def _true(x: Any) -> Any:
    """Whether elements differ from 0. Gates that depend on the images are 0 or 1 in their rules."""
    return x.ne(0) if isinstance(x, Tensor) and x.dtype != torch.bool else x


def _and(a: Tensor, b: Any) -> Any:
    return _true(a) * _true(b)


def _or(a: Tensor, b: Any) -> Any:
    return torch.maximum(_true(a), torch.as_tensor(_true(b)))


def _xor(a: Tensor, b: Any) -> Any:
    return _true(a).ne(_true(b))


def _not(x: Tensor) -> Any:
    return _true(x).eq(0)


def _of_gates(logical: Callable[..., Any]) -> Callable[..., Any]:
    """A bitwise operation, which for gates is a logical one."""

    def apply(x: Tensor, *others: Any) -> Any:
        return logical(x, *others) if x.dtype == torch.bool else NotImplemented

    return apply


def _any(x: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
    return _true(x).amax(() if dim is None else dim, keepdim)


def _all(x: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
    return _true(x).amin(() if dim is None else dim, keepdim)


def _replaced_where(
    x: Tensor, indices: list[Tensor | None], values: Tensor, accumulate: bool = False
) -> Any:
    mask = indices[0]
    gate = len(indices) == 1 and mask is not None and mask.dtype == torch.bool
    if mask is None or not gate or values.numel() > 1 or accumulate:
        return NotImplemented
    mask = mask.reshape(*mask.shape, *[1] * (x.ndim - mask.ndim))
    return torch.where(mask, values.reshape(()), x)


_GATES: dict[str, Callable[..., Any]] = {"and": _and, "or": _or, "xor": _xor, "not": _not}

ELEMENTS: dict[Any, Callable[..., Any]] = {
    _aten.addcdiv.default: _weighted_quotient,
    _aten.addcmul.default: _weighted_product,
    _aten.copy.default: _copied,
    _aten.glu.default: _gated,
    _aten.slice_scatter.default: _slice_replaced,
    _aten.type_as.default: _converted,
    _aten.unfold.default: _unfolded,
    _aten.all.default: _all,
    _aten.all.dim: _all,
    _aten.all.dims: _all,
    _aten.any.default: _any,
    _aten.any.dim: _any,
    _aten.any.dims: _any,
    _aten.hypot.default: _hypotenuse,
    _aten.index_put.default: _replaced_where,
    _aten.lerp.Tensor: _interpolated,
    _aten.rrelu.default: _rrelu,
} | {
    getattr(getattr(_aten, f"{kind}_{name}"), overload): _of_gates(logical)
    if kind == "bitwise"
    else logical
    for name, logical in _GATES.items()
    for kind in ("bitwise", "logical")
    for overload in ("default", "Tensor", "Scalar")
    if overload in getattr(_aten, f"{kind}_{name}").overloads()
}
