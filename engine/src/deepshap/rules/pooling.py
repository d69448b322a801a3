"""Rules for maxima: the change of a maximum goes to the position of the larger side.

shap attributes max(y, y_b) - y_b to the image's position and y - max(y, y_b) to the background's.
One of the two is 0, so a single position carries the change y - y_b. The multiplier is that change
divided by the position's own change. The latter is never smaller, so the ratio lies between 0 and
1. An element of several windows collects from all of them.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from deepshap import kernels
from deepshap.multiplier import Multiplier, Positions
from deepshap.precision import Activation
from deepshap.rules.base import Call, PairRule, Rule, Saved, features, in_windows, per_pair

_LARGEST_WINDOW = 256
"""The most positions in a window that fit uint8."""


class MaxPool(Rule):
    """Max pooling of planes.

    Inputs and outputs are saved in float64: where activations change little relative to their
    values, rounding would leave no digits of the change.

    Attributes:
        window: Height and width of the windows if they start at the plane's corner and lie side by
            side, else None.
    """

    def __init__(self, call: Call) -> None:
        super().__init__(call)
        _require_values(call)
        self.window = _adjacent_window(call)

    def forward(self, *inputs: Activation) -> tuple[Activation, Saved]:
        """Pool, and save the positions of the maxima."""
        (x,) = inputs
        wide, index = self._pooled(_planes(x.wide))
        output = Activation(wide.reshape(len(wide), *features(self.call.output)), x.precision)
        index = index.contiguous(memory_format=torch.channels_last)
        kept = (_planes(x.wide), wide, index)
        if self.window is None:
            return output, kept
        tall, wide_, width = *self.window, self.call.inputs[0][-1]
        within = index // width % tall * wide_ + index % width % wide_
        return output, (*kept, within.to(torch.uint8))

    def _pooled(self, planes: Tensor) -> tuple[Tensor, Tensor]:
        arguments = self.call.arguments
        if "output_size" in arguments:
            pooled = F.adaptive_max_pool2d(planes, arguments["output_size"], return_indices=True)
        else:
            names = ("kernel_size", "stride", "padding", "dilation", "ceil_mode")
            settings = {name: arguments[name] for name in names}
            settings["stride"] = settings["stride"] or None
            pooled = F.max_pool2d(planes, **settings, return_indices=True)
        return pooled

    def backward(
        self, multiplier: Multiplier, image: Saved, background: Saved
    ) -> Sequence[Multiplier]:
        """Move to the position of the larger side, scaled by the ratio of both changes."""
        plane = image[0].shape[2], image[0].shape[3]
        shape = features(self.call.inputs[0])
        if self.window is not None and len(shape) == 3:
            found = kernels.pool_ratios(multiplier, image, background)
            if found is not None:
                positions = Positions(found[1], plane, self.window)
                return [replace(multiplier, ratio=found[0], positions=positions)]
        ratio, positions = self._ratio(multiplier, image, background, plane)
        if len(shape) == 3:
            return [multiplier.pooled(ratio, positions)]
        rows = multiplier.dense()
        rows = rows.reshape(*rows.shape[:2], *ratio.shape[2:])
        rows = Multiplier(rows).pooled(ratio, positions).dense()
        return [Multiplier(rows.reshape(*rows.shape[:2], *shape))]

    def changed(self, inputs: Sequence[Tensor | None]) -> Tensor | None:
        """Where the window of an output holds a position that changes."""
        if inputs[0] is None or self.window is None or len(features(self.call.output)) != 3:
            return None
        return in_windows(inputs[0], self.call.output[-2:], self.window, self.window)

    def _ratio(
        self, multiplier: Multiplier, image: Saved, background: Saved, plane: tuple[int, int]
    ) -> tuple[Tensor, Positions]:
        """The ratio of both changes for each pair, (p, 1, c, h, w), and their positions."""
        (x, y, x_index, *x_within), (b, y_b, b_index, *b_within) = image, background
        change = y[:, None] - y_b[None]
        larger = change > 0
        index = torch.where(larger, x_index[:, None], b_index[None])
        own_change = _at(x[:, None], index) - _at(b[None], index)
        ratio = torch.where(own_change == 0, 0.0, change / own_change).to(multiplier.rows.dtype)
        if self.window is not None:
            index = torch.where(larger, x_within[0][:, None], b_within[0][None])
        return per_pair(ratio), Positions(per_pair(index), plane, self.window)


class Maximum(PairRule):
    """The largest element along axes."""

    def __init__(self, call: Call) -> None:
        super().__init__(call)
        _require_values(call)
        self._sign = -1 if "min" in call.name else 1
        shape = call.inputs[0]
        dims = call.arguments.get("dim")
        dims = range(len(shape)) if dims is None or dims == [] else dims
        dims = [dims] if isinstance(dims, int) else dims
        self._axes = sorted(dim % len(shape) for dim in dims)

    def save(self, inputs: Sequence[Activation], output: Activation) -> Saved:
        """The input in float64, since its changes may be small relative to its values."""
        return (inputs[0].wide,)

    def for_pair(self, multiplier: Tensor, image: Saved, background: Saved) -> Sequence[Tensor]:
        """Pass the multiplier to one position along the axes."""
        u, w = self._axes_last(image[0]), self._axes_last(background[0])
        (top, at), (top_b, at_b) = (u * self._sign).max(-1), (w * self._sign).max(-1)
        change = (top - top_b) * self._sign
        index = torch.where(change * self._sign > 0, at, at_b).unsqueeze(-1)
        own_change = (u.gather(-1, index) - w.gather(-1, index)).squeeze(-1)
        ratio = torch.where(own_change == 0, 0.0, change / own_change).to(multiplier.dtype)
        share = (multiplier.reshape(change.shape) * ratio).unsqueeze(-1)
        spread = torch.zeros_like(u, dtype=share.dtype).scatter(-1, index, share)
        kept = [side for at, side in enumerate(self.call.inputs[0]) if at not in self._axes]
        sides = [self.call.inputs[0][at] for at in self._axes]
        spread = spread.reshape(*kept, *sides)
        return [spread.movedim(list(range(len(kept), spread.ndim)), self._axes)]

    def _axes_last(self, tensor: Tensor) -> Tensor:
        """The input with the axes moved to the end and flattened into one."""
        tensor = tensor.reshape(self.call.inputs[0])
        last = list(range(tensor.ndim - len(self._axes), tensor.ndim))
        return tensor.movedim(self._axes, last).flatten(last[0])


def _require_values(call: Call) -> None:
    if call.output_index != 0:
        raise NotImplementedError("positions have no multiplier; use the values alone")


def _planes(tensor: Tensor) -> Tensor:
    """(n, ..., h, w) -> (n, c, h, w), since planes are pooled one by one."""
    return tensor if tensor.ndim == 4 else tensor.reshape(len(tensor), -1, *tensor.shape[-2:])


def _at(planes: Tensor, index: Tensor) -> Tensor:
    """Read planes (n or 1, 1 or b, c, h, w) at flat positions (n, b, c, ., .), channels last."""
    flat = planes.movedim(2, -1).flatten(2, 3).expand(*index.shape[:2], -1, -1)
    last = index.movedim(2, -1)
    read = flat.gather(2, last.flatten(2, 3))
    return torch.unflatten(read, 2, last.shape[2:4]).movedim(-1, 2)


def _adjacent_window(call: Call) -> tuple[int, int] | None:
    """Height and width of the windows if they lie side by side from the corner, else None."""
    if "kernel_size" not in call.arguments:
        return None

    def two(name: str) -> tuple[int, int]:
        value: Any = call.arguments[name]
        return (value[0], value[-1])

    window = two("kernel_size")
    apart = not call.arguments["stride"] or two("stride") == window
    sides = zip(call.inputs[0][-2:], window, strict=True)
    cut = call.arguments["ceil_mode"] and any(side % size for side, size in sides)
    plain = two("padding") == (0, 0) and two("dilation") == (1, 1)
    small = math.prod(window) <= _LARGEST_WINDOW
    return window if apart and plain and small and not cut else None
