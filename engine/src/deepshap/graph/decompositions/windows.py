"""Convolutions, pooling and sampling of planes and volumes."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

_aten = torch.ops.aten


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


def _max_pool3d(
    x: Tensor,
    kernel_size: Sequence[int],
    stride: Sequence[int] = (),
    padding: Sequence[int] = (0,),
    dilation: Sequence[int] = (1,),
    ceil_mode: bool = False,
) -> Tensor:
    """The maximum over planes, then over depth."""
    size, step, margin, spacing = (
        list(each) * (3 if len(each) == 1 else 1)
        for each in (kernel_size, stride or kernel_size, padding, dilation)
    )
    planes = torch.max_pool2d(
        x.flatten(-4, -3), size[1:], step[1:], margin[1:], spacing[1:], ceil_mode
    )
    depth = torch.unflatten(planes, -3, x.shape[-4:-2]).flatten(-2)
    pooled = torch.max_pool2d(
        depth, [size[0], 1], [step[0], 1], [margin[0], 0], [spacing[0], 1], ceil_mode
    )
    return torch.unflatten(pooled, -1, planes.shape[-2:])


def _adaptive_max_pool3d(x: Tensor, output_size: Sequence[int]) -> tuple[Tensor, Tensor]:
    deep, *plane = output_size
    planes = F.adaptive_max_pool2d(x.flatten(-4, -3), plane)
    depth = planes.unflatten(-3, x.shape[-4:-2]).flatten(-2)
    pooled = F.adaptive_max_pool2d(depth, [deep, depth.shape[-1]]).unflatten(-1, plane)
    return pooled, pooled.argsort(-1)  # no rule has positions


def deformable_convolution(
    x: Tensor,
    weight: Tensor,
    offset: Tensor,
    mask: Tensor,
    bias: Tensor | None,
    stride_h: int,
    stride_w: int,
    pad_h: int,
    pad_w: int,
    dilation_h: int,
    dilation_w: int,
    groups: int,
    offset_groups: int,
    use_mask: bool,
) -> Tensor:
    """The deformable convolution of torchvision: sampled columns, then a convolution of 1 × 1."""
    height, width = weight.shape[-2:]
    taps, channels = height * width, x.shape[1]
    n, _, h, w = offset.shape

    def centres(size: int, kernel: int, stride: int, pad: int, dilation: int) -> Tensor:
        steps = torch.arange(kernel, device=x.device)[:, None] * dilation - pad
        return (steps + torch.arange(size, device=x.device) * stride).to(x.dtype)

    down = centres(h, height, stride_h, pad_h, dilation_h)[:, None, :, None]
    right = centres(w, width, stride_w, pad_w, dilation_w)[None, :, None, :]
    offset = offset.reshape(n * offset_groups, height, width, 2, h, w)
    rows, columns = (offset[..., at, :, :] + centre for at, centre in enumerate((down, right)))
    sides = zip((columns, rows), (x.shape[3], x.shape[2]), strict=True)
    grid = torch.stack([(2 * at + 1) / side - 1 for at, side in sides], -1)
    sampled = torch.grid_sampler_2d(
        x.reshape(n * offset_groups, -1, *x.shape[2:]),
        grid.reshape(n * offset_groups, taps * h, w, 2),
        0,
        0,
        False,
    )
    if use_mask:
        sampled = sampled * mask.reshape(n * offset_groups, 1, taps * h, w)
    sampled = sampled.reshape(n, channels * taps, h, w)
    return F.conv2d(sampled, weight.reshape(len(weight), -1, 1, 1), bias, groups=groups)


WINDOWS: dict[Any, Callable[..., Any]] = {
    _aten._adaptive_avg_pool2d.default: _adaptive_average,
    _aten.adaptive_avg_pool2d.default: _adaptive_average,
    _aten.conv1d.padding: _convolution_padded_by_name,
    _aten.conv2d.padding: _convolution_padded_by_name,
    _aten.max_pool1d.default: _max_pool1d,
    _aten.adaptive_max_pool3d.default: _adaptive_max_pool3d,
    _aten.max_pool3d.default: _max_pool3d,
}
