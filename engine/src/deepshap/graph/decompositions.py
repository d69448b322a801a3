"""Operations in terms of simpler ones that have rules.

The rules of the simpler operations compose to the closed form of the whole. A norm, for example, is
v a with the deviations a and v = (mean a² + ε)^(-1/2). It changes by v̄ Δa + ā Δv, where
Δv = -v² v'² / (v + v') Δ(mean a²).
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

_aten = torch.ops.aten


def _batch_norm(
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    mean: Tensor,
    variance: Tensor,
    momentum: float,
    eps: float,
) -> tuple[Tensor, Tensor, Tensor]:
    scale = (variance + eps).rsqrt()
    scale = scale if weight is None else scale * weight
    shift = -mean * scale if bias is None else bias - mean * scale
    sides = (-1,) + (1,) * (x.ndim - 2)
    unused = x.new_empty(0)
    return x * scale.reshape(sides) + shift.reshape(sides), unused, unused


def _normed(x: Tensor, axes: list[int], eps: float, *, centred: bool = True) -> Tensor:
    if centred:
        x = x - x.mean(axes, keepdim=True)
    scale: Tensor = ((x * x).mean(axes, keepdim=True) + eps).rsqrt()
    return x * scale


def _affine(x: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    x = x if weight is None else x * weight
    return x if bias is None else x + bias


def _layer_norm(
    x: Tensor,
    shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    cudnn_enable: bool = True,
) -> Tensor:
    return _affine(_normed(x, list(range(-len(shape), 0)), eps), weight, bias)


def _rms_norm(
    x: Tensor, shape: Sequence[int], weight: Tensor | None = None, eps: float | None = None
) -> Tensor:
    eps = torch.finfo(x.dtype).eps if eps is None else eps
    return _affine(_normed(x, list(range(-len(shape), 0)), eps, centred=False), weight, None)


def _group_norm(
    x: Tensor,
    groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    cudnn_enabled: bool = True,
) -> Tensor:
    normed = _normed(x.reshape(len(x), groups, -1), [-1], eps).reshape(x.shape)
    sides = (-1,) + (1,) * (x.ndim - 2)
    weight, bias = (t if t is None else t.reshape(sides) for t in (weight, bias))
    return _affine(normed, weight, bias)


def _instance_norm(
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    mean: Tensor | None,
    variance: Tensor | None,
    use_input_stats: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool,
) -> Tensor:
    if use_input_stats:
        return _group_norm(x, x.shape[1], weight, bias, eps)
    assert mean is not None
    assert variance is not None
    return _batch_norm(x, weight, bias, mean, variance, momentum, eps)[0]


def _attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    if enable_gqa:
        key, value = (
            t.repeat_interleave(query.shape[-3] // t.shape[-3], dim=-3) for t in (key, value)
        )
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    logits = torch.matmul(query * scale, key.transpose(-2, -1))
    if is_causal:
        attn_mask = torch.ones(logits.shape[-2:], dtype=torch.bool, device=query.device).tril()
    if attn_mask is not None and attn_mask.dtype == torch.bool:
        logits = logits.masked_fill(attn_mask.logical_not(), -math.inf)
    elif attn_mask is not None:
        logits = logits + attn_mask
    weights = torch.softmax(logits, -1)
    if dropout_p:
        weights = torch.dropout(weights, dropout_p, True)
    return torch.matmul(weights, value)


def _vector_norm(
    x: Tensor,
    ord: float = 2,
    dim: list[int] | None = None,
    keepdim: bool = False,
    *,
    dtype: torch.dtype | None = None,
) -> Any:
    if ord == 1:
        return x.abs().sum(dim, keepdim)
    return (x * x).sum(dim, keepdim).sqrt() if ord == 2 else NotImplemented


def _convolution_padded_by_name(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sequence[int] = (1,),
    padding: str = "valid",
    dilation: Sequence[int] = (1,),
    groups: int = 1,
) -> Tensor:
    sides = weight.ndim - 2
    total = [0] * sides
    if padding == "same":
        steps = list(dilation) * (sides if len(dilation) == 1 else 1)
        total = [step * (k - 1) for step, k in zip(steps, weight.shape[2:], strict=True)]
    if any(side % 2 for side in total):
        around = [pad for side in reversed(total) for pad in (side // 2, side - side // 2)]
        x, total = torch.constant_pad_nd(x, around), [0] * sides
    convolve = (torch.conv1d, torch.conv2d, torch.conv3d)[sides - 1]
    padded: Tensor = convolve(
        x, weight, bias, stride, [side // 2 for side in total], dilation, groups
    )
    return padded


def _adaptive_average(x: Tensor, output_size: Sequence[int]) -> Any:
    # Adaptive pooling of channels-last planes to one element is slow; a mean is not.
    axes = list(range(-len(output_size), 0))
    return x.mean(axes, keepdim=True) if set(output_size) == {1} else NotImplemented


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


def _max_pool1d(
    x: Tensor,
    kernel_size: Sequence[int],
    stride: Sequence[int] = (),
    padding: Sequence[int] = (0,),
    dilation: Sequence[int] = (1,),
    ceil_mode: bool = False,
) -> Tensor:
    step = stride or kernel_size
    pooled = torch.max_pool2d(
        x.unsqueeze(-2), [1, *kernel_size], [1, *step], [0, *padding], [1, *dilation], ceil_mode
    )
    return pooled.squeeze(-2)


DECOMPOSITIONS: dict[Any, Callable[..., Any]] = {
    _aten._native_batch_norm_legit_no_training.default: _batch_norm,
    _aten._adaptive_avg_pool2d.default: _adaptive_average,
    _aten.adaptive_avg_pool2d.default: _adaptive_average,
    _aten.addcdiv.default: _weighted_quotient,
    _aten.addcmul.default: _weighted_product,
    _aten.conv1d.padding: _convolution_padded_by_name,
    _aten.conv2d.padding: _convolution_padded_by_name,
    _aten.copy.default: _copied,
    _aten.glu.default: _gated,
    _aten.group_norm.default: _group_norm,
    _aten.instance_norm.default: _instance_norm,
    _aten.layer_norm.default: _layer_norm,
    _aten.linalg_vector_norm.default: _vector_norm,
    _aten.max_pool1d.default: _max_pool1d,
    _aten.rms_norm.default: _rms_norm,
    _aten.scaled_dot_product_attention.default: _attention,
    _aten.slice_scatter.default: _slice_replaced,
    _aten.type_as.default: _converted,
    _aten.unfold.default: _unfolded,
}
"""The replacement of each operation that `torch.export` decomposes."""
