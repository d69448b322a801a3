"""Norms and attention.

A norm is v a with the deviations a and v = (mean a² + ε)^(-1/2). It changes by v̄ Δa + ā Δv, where
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
    mixed = torch.matmul(weights, value)
    if mixed.ndim != 4:
        return mixed
    # Heads after tokens in memory, as the fused operation has them; networks may rely on a view.
    return mixed.transpose(1, 2).contiguous().transpose(1, 2)


NORMS: dict[Any, Callable[..., Any]] = {
    _aten._native_batch_norm_legit_no_training.default: _batch_norm,
    _aten.group_norm.default: _group_norm,
    _aten.instance_norm.default: _instance_norm,
    _aten.layer_norm.default: _layer_norm,
    _aten.rms_norm.default: _rms_norm,
    _aten.scaled_dot_product_attention.default: _attention,
}
