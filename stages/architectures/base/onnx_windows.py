"""ONNX's operators that slide a window or resample, as functions of PyTorch."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from stages.architectures.base.onnx_axes import Numbers, ints

Sides = Sequence[int]
_CONVOLUTIONS = (F.conv1d, F.conv2d, F.conv3d)
_TRANSPOSED = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)
_MAX_POOLS: Any = (F.max_pool1d, F.max_pool2d, F.max_pool3d)
_AVERAGE_POOLS: Any = (F.avg_pool1d, F.avg_pool2d, F.avg_pool3d)


def _pads(x: Tensor, window: Sides, strides: Sides, pads: Sides | None, auto_pad: str) -> list[int]:
    """Pixels before and after each axis, in the order of `F.pad`; `window` counts dilation."""
    n = len(window)
    if auto_pad in ("SAME_UPPER", "SAME_LOWER"):
        pairs = []
        for length, side, stride in zip(x.shape[2:], window, strides, strict=True):
            total = max((math.ceil(length / stride) - 1) * stride + side - length, 0)
            small, large = total // 2, total - total // 2
            pairs.append((small, large) if auto_pad == "SAME_UPPER" else (large, small))
    else:
        both = [0] * 2 * n if pads is None or auto_pad == "VALID" else pads
        pairs = list(zip(both[:n], both[n:], strict=True))
    return [side for pair in reversed(pairs) for side in pair]


def _padded(x: Tensor, pads: list[int], value: float = 0.0) -> tuple[Tensor, list[int]]:
    """The input and the padding left to PyTorch, which pads both sides alike."""
    if pads[::2] == pads[1::2]:
        return x, pads[::-2]
    return F.pad(x, pads, value=value), [0] * (len(pads) // 2)


def _window(kernel: Sides, dilations: Sides) -> list[int]:
    return [(side - 1) * gap + 1 for side, gap in zip(kernel, dilations, strict=True)]


def conv(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    auto_pad: str = "NOTSET",
    dilations: Sides | None = None,
    group: int = 1,
    kernel_shape: Sides | None = None,  # that of the weight
    pads: Sides | None = None,
    strides: Sides | None = None,
) -> Tensor:
    """ONNX's Conv."""
    n = weight.ndim - 2
    strides, dilations = strides or [1] * n, dilations or [1] * n
    window = _window(weight.shape[2:], dilations)
    x, padding = _padded(x, _pads(x, window, strides, pads, auto_pad))
    return _CONVOLUTIONS[n - 1](x, weight, bias, strides, padding, dilations, group)


def conv_transpose(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    dilations: Sides | None = None,
    group: int = 1,
    kernel_shape: Sides | None = None,
    output_padding: Sides | None = None,
    pads: Sides | None = None,
    strides: Sides | None = None,
) -> Tensor:
    """ONNX's ConvTranspose."""
    n = weight.ndim - 2
    strides, dilations = strides or [1] * n, dilations or [1] * n
    more = output_padding or [0] * n
    y = _TRANSPOSED[n - 1](x, weight, bias, strides, 0, more, group, dilations)
    crop = [-side for side in _pads(x, dilations, strides, pads, "NOTSET")]
    return F.pad(y, crop) if any(crop) else y


def max_pool(
    x: Tensor,
    *,
    kernel_shape: Sides,
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    dilations: Sides | None = None,
    pads: Sides | None = None,
    storage_order: int = 0,  # of an output that no classifier uses
    strides: Sides | None = None,
) -> Tensor:
    """ONNX's MaxPool."""
    n = len(kernel_shape)
    strides, dilations = strides or [1] * n, dilations or [1] * n
    sides = _pads(x, _window(kernel_shape, dilations), strides, pads, auto_pad)
    x, padding = _padded(x, sides, torch.finfo(x.dtype).min)
    pool = _MAX_POOLS[n - 1]
    y: Tensor = pool(x, kernel_shape, strides, padding, dilations, ceil_mode=bool(ceil_mode))
    return y


def average_pool(
    x: Tensor,
    *,
    kernel_shape: Sides,
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    count_include_pad: int = 0,
    pads: Sides | None = None,
    strides: Sides | None = None,
) -> Tensor:
    """ONNX's AveragePool."""
    n = len(kernel_shape)
    strides = strides or [1] * n
    sides = _pads(x, kernel_shape, strides, pads, auto_pad)
    padded, padding = _padded(x, sides)
    options = (kernel_shape, strides, padding, bool(ceil_mode), bool(count_include_pad))
    pooled: Tensor = _AVERAGE_POOLS[n - 1](padded, *options)
    if padded is x or count_include_pad:
        return pooled
    share: Tensor = _AVERAGE_POOLS[n - 1](F.pad(torch.ones_like(x[:1, :1]), sides), *options)
    return pooled / share  # of each window inside the image


def resize(
    x: Tensor,
    regions: Any = None,
    scales: Any = None,
    sizes: Numbers = None,
    *,
    coordinate_transformation_mode: str = "half_pixel",
    cubic_coeff_a: float = -0.75,
    mode: str = "nearest",
    nearest_mode: str = "round_prefer_floor",
) -> Tensor:
    """ONNX's Resize, where PyTorch has the same."""
    size = ints(sizes)[2:]
    if not size:
        size = [int(side * scale) for side, scale in zip(x.shape[2:], scales[2:], strict=True)]
    position = coordinate_transformation_mode
    if mode == "nearest":
        exact = {
            ("asymmetric", "floor"): "nearest",
            ("half_pixel", "round_prefer_floor"): "nearest-exact",
        }
        name = exact.get((position, nearest_mode))
        if name is not None:
            return F.interpolate(x, size, mode=name)
    kinds = {("linear", 3): "linear", ("linear", 4): "bilinear", ("cubic", 4): "bicubic"}
    corners = {"align_corners": True, "half_pixel": False, "pytorch_half_pixel": False}
    if (mode, x.ndim) not in kinds or position not in corners or cubic_coeff_a != -0.75:
        raise NotImplementedError(f"Resize with {mode}, {position}, {nearest_mode}")
    return F.interpolate(x, size, mode=kinds[mode, x.ndim], align_corners=corners[position])


def upsample(x: Tensor, scales: Any, *, mode: str = "nearest") -> Tensor:
    """ONNX's Upsample, an older Resize."""
    return resize(
        x,
        None,
        scales,
        mode=mode,
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )
