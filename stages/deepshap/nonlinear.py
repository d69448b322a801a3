"""How a multiplier passes an operation, where that depends on both images of a pair.

Sources: rescale rule, Shrikumar et al. 2017, arXiv:1704.02685; max pooling and thresholds as in
shap's DeepExplainer; product of two branches, the two-factor Shapley value, Lundberg & Lee 2017,
arXiv:1705.07874.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from typing_extensions import override

from .multiplier import Multiplier, Places
from .rules import Rule, Saved, Scale, narrowed, require_same_axes

ELEMENT_THRESHOLD = 1e-6
"""Below this change of its input an element-wise function passes its slope, as in shap."""
POOL_THRESHOLD = 1e-7
"""Below this change of its input a max pool passes nothing, as in shap."""


class Product(Rule):
    """Product of two branches u v: u's multiplier is times (v + v_b) / 2, and the other way round.

    Source: each factor's mean contribution over both orders of switching from background to image.
    """

    @override
    def bound(self, varies: Sequence[bool]) -> Rule:
        if list(varies) == [True, True]:
            return self
        varying = list(varies).index(True)
        return Scale(self.apply, lambda *factors: factors[1 - varying], varying)

    @override
    def forward(self, *args: Any) -> tuple[Tensor, Saved]:
        first, second = args
        product: Tensor = self.apply(first, second)
        require_same_axes(product, first, second)
        return product, (first, second)

    @override
    def backward(
        self, multiplier: Multiplier, image: Saved, background: Saved
    ) -> Sequence[Multiplier]:
        first, second = (
            _per_pair((x[:, None] + b[None]) / 2) for x, b in zip(image, background, strict=True)
        )
        return [
            narrowed(multiplier.scaled(second), background[0].shape),
            narrowed(multiplier.scaled(first), background[1].shape),
        ]


class Elementwise(Rule):
    """Rescale rule: change of the output over change of the input, element by element.

    Where the input changes by less than `ELEMENT_THRESHOLD`, the slope at the background.
    """

    keeps_precision = True

    def slope(self, inputs: Tensor, outputs: Tensor, *args: Any) -> Tensor:
        """Differentiate the function at `inputs`."""
        with torch.enable_grad():
            variable = inputs.detach().requires_grad_()
            (slope,) = torch.autograd.grad(self.apply(variable, *args).sum(), variable)
        return slope

    @override
    def forward(self, *args: Any) -> tuple[Tensor, Saved]:
        inputs = args[0]
        outputs = self.apply(*args)
        return outputs, (inputs, outputs, self.slope(inputs, outputs, *args[1:]))

    @override
    def backward(
        self, multiplier: Multiplier, image: Saved, background: Saved
    ) -> Sequence[Multiplier]:
        (x, y, _), (b, y_b, slope) = image, background
        change = x[:, None] - b[None]
        ratio = (y[:, None] - y_b[None]).div_(change)
        near = change.abs_() < ELEMENT_THRESHOLD
        ratio = torch.where(near, slope[None], ratio).to(multiplier.rows.dtype)
        return [multiplier.scaled(_per_pair(ratio))]


class Rectifier(Elementwise):
    """Of ReLU the changes need no more digits: its output is its input, or an exact 0."""

    keeps_precision = False


class Softmax(Elementwise):
    """Shap's rule for softmax and log-softmax: for output k, only logit k matters.

    The change of a probability over the change of its own logit; the other logits' influence is
    credited to that logit too. So it makes sense for the network's output alone.
    """

    only_last = True

    @override
    def slope(self, inputs: Tensor, outputs: Tensor, *args: Any) -> Tensor:
        with torch.enable_grad():
            # Each logit on its own copy, so that only its own output's derivative is seen.
            k = inputs.shape[1]
            copies = inputs.detach()[:, None].repeat(1, k, 1).requires_grad_()
            outputs = torch.diagonal(self.apply(copies, -1), dim1=1, dim2=2)
            (slopes,) = torch.autograd.grad(outputs.sum(), copies)
        return torch.diagonal(slopes, dim1=1, dim2=2)

    @override
    def forward(self, *args: Any) -> tuple[Tensor, Saved]:
        logits, dim = args[:2]
        if logits.ndim != 2 or dim not in (1, -1):
            raise NotImplementedError("it must run over the outputs of a network, dim=1")
        return super().forward(logits, dim)


class MaxPool(Rule):
    """Max pooling: the change of each maximum goes to the larger side's position.

    Shap credits max(y, y_b) - y_b to the image's position and y - max(y, y_b) to the background's.
    One of the two is 0, so a single position carries the change y - y_b, as a ratio to its own
    change; 0 where that is below `POOL_THRESHOLD`. An element in several windows collects from all.

    Args:
        apply: The operation; returns the pooled planes and the positions in the flattened plane.
        window: From the same arguments, the windows' height and width if they tile the plane from
            its corner without overlap, else None.
    """

    def __init__(
        self, apply: Callable[..., Any], window: Callable[..., tuple[int, int] | None]
    ) -> None:
        super().__init__(apply)
        self.window = window

    @override
    def forward(self, *args: Any) -> tuple[Tensor, Saved]:
        if args[0].ndim != 4:
            raise NotImplementedError("its input must have the axes n, c, h, w")
        outputs, index = self.apply(*args)
        window = self.window(*args)
        offset = None
        if window is not None:
            width = args[0].shape[3]
            offset = index // width % window[0] * window[1] + index % width % window[1]
        return outputs, (args[0], outputs, index, offset, window)

    @override
    def backward(
        self, multiplier: Multiplier, image: Saved, background: Saved
    ) -> Sequence[Multiplier]:
        (x, y, x_index, x_offset, window), (b, y_b, b_index, b_offset, _) = image, background
        change = y[:, None] - y_b[None]
        larger = change > 0
        index = torch.where(larger, x_index[:, None], b_index[None])
        own_change = _at(x[:, None], index) - _at(b[None], index)
        ratio = torch.where(own_change.abs() < POOL_THRESHOLD, 0.0, change / own_change)
        places = Places(_per_pair(index), (x.shape[2], x.shape[3]))
        if window is not None:
            offset = torch.where(larger, x_offset[:, None], b_offset[None])
            places = replace(places, window=window, offset=_per_pair(offset))
        return [multiplier.pooled(_per_pair(ratio), places)]


def _per_pair(tensor: Tensor) -> Tensor:
    """(n, b, ...) -> (n * b, 1, ...)."""
    return tensor.flatten(0, 1)[:, None]


def _at(planes: Tensor, index: Tensor) -> Tensor:
    """Read planes (n or 1, 1 or b, c, h, w) at flat positions (n, b, c, ., .), channels last."""
    flat = planes.movedim(2, -1).flatten(2, 3).expand(*index.shape[:2], -1, -1)
    last = index.movedim(2, -1)
    read = flat.gather(2, last.flatten(2, 3))
    return torch.unflatten(read, 2, last.shape[2:4]).movedim(-1, 2)
