"""Rules of functions applied element by element: the rescale rule.

The multiplier is the secant, the change of the output over the change of the input (Shrikumar et
al. 2017, arXiv:1704.02685). Where algebra gives it without subtracting, it has all digits however
small the change is. Elsewhere the changes are subtracted in float64, from the same rounded inputs.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from deepshap import kernels
from deepshap.multiplier import Multiplier
from deepshap.precision import Activation, Precision
from deepshap.rules.base import Call, Rule, Saved, per_pair
from deepshap.rules.secants import Secant

SMOOTH_THRESHOLD = 1e-5
"""Below this change of its input a smooth function passes the mean of both slopes.

The mean differs from the secant by the square of the change, which is less than float64 loses.
"""


class _OfOneInput(Rule):
    """A rule for operations of which one argument depends on the images."""

    def __init__(self, call: Call) -> None:
        super().__init__(call)
        call.require_only(call.varying[0])


class Elementwise(_OfOneInput):
    """A function of each element.

    Args:
        call: What the network does.
        secant: Its closed form.
    """

    def __init__(self, call: Call, secant: Secant) -> None:
        super().__init__(call)
        self._secant = secant

    def kept(self, inputs: Sequence[Activation], output: Activation) -> Saved:
        """The input: the output is computed anew, which costs less than to remember it."""
        return (inputs[0].narrow,)

    def backward(
        self, multiplier: Multiplier, image: Saved, background: Saved
    ) -> Sequence[Multiplier]:
        """Scale by the secant."""
        (x,), (b,) = image, background
        wide = Precision(x).widened
        ratio = self.ratio(wide(x), wide(b)).to(multiplier.rows.dtype)
        return self.scaled(multiplier, per_pair(ratio))

    def ratio(self, x: Tensor, b: Tensor) -> Tensor:
        """The secants of n and b inputs, (n, b, ...)."""
        y, y_b = self.computed(x), self.computed(b)
        x, b = self.aligned(x[:, None]), self.aligned(b[None])
        return self._secant(x, b, y[:, None], y_b[None])


class Numeric(Elementwise):
    """A function whose secant has no closed form.

    Args:
        call: What the network does.
        threshold: Change of the input below which it passes the slope; 0 where it has kinks.
    """

    def __init__(self, call: Call, threshold: float) -> None:
        super().__init__(call, _quotient)
        self._threshold = threshold

    def ratio(self, x: Tensor, b: Tensor) -> Tensor:
        """The secants of n and b inputs, (n, b, ...)."""
        mean = (slope(self.computed, x)[:, None] + slope(self.computed, b)[None]) / 2
        small = (x[:, None] - b[None]).abs_() <= self._threshold
        return torch.where(small, mean, super().ratio(x, b))


class Selection(_OfOneInput):
    """Every output is its input or a constant, as ReLU's: their changes need no more digits."""

    def kept(self, inputs: Sequence[Activation], output: Activation) -> Saved:
        """Both sides."""
        return (inputs[0].narrow, output.narrow)

    def backward(
        self, multiplier: Multiplier, image: Saved, background: Saved
    ) -> Sequence[Multiplier]:
        """Scale by the secant; where nothing changes, by the slope."""
        (x, y), (b, y_b) = image, background
        change = self.aligned(x[:, None] - b[None])
        ratio = (y[:, None] - y_b[None]).div_(change)
        ratio = torch.where(change == 0, self._slope(b)[None], ratio)
        return self.scaled(multiplier, per_pair(ratio))

    def _slope(self, inputs: Tensor) -> Tensor:
        return slope(self.computed, inputs)


class Rectifier(Selection):
    """ReLU."""

    def backward(
        self, multiplier: Multiplier, image: Saved, background: Saved
    ) -> Sequence[Multiplier]:
        """Scale by the secant."""
        ratio = kernels.relu_ratios(multiplier, image[0], background[0])
        if ratio is None:
            return super().backward(multiplier, image, background)
        return self.scaled(multiplier, ratio)

    def _slope(self, inputs: Tensor) -> Tensor:
        return (inputs > 0).to(inputs.dtype)


class Softmax(Rule):
    """Shap's rule for a network's last softmax or log-softmax: for output k, only logit k matters.

    The change of a probability over the change of its own logit; the other logits' influence is
    credited to that logit too. So it makes sense for the network's output alone. Where its own
    logit changes by less than 1e-6, the slope, as in shap.
    """

    _THRESHOLD = 1e-6

    def kept(self, inputs: Sequence[Activation], output: Activation) -> Saved:
        """Both sides, wide: a probability may change far more than its logit."""
        return (inputs[0].wide, output.wide)

    def backward(
        self, multiplier: Multiplier, image: Saved, background: Saved
    ) -> Sequence[Multiplier]:
        """Scale by the secant of each output's own logit."""
        (x, y), (b, y_b) = image, background
        own_slope = 1 - y_b.exp() if "log" in self.call.name else y_b * (1 - y_b)
        change = x[:, None] - b[None]
        ratio = (y[:, None] - y_b[None]).div_(change)
        ratio = torch.where(change.abs_() < self._THRESHOLD, own_slope[None], ratio)
        return self.scaled(multiplier, per_pair(ratio.to(multiplier.rows.dtype)))


def slope(function: Callable[[Tensor], Tensor], inputs: Tensor) -> Tensor:
    """The derivative of an element-wise function."""
    with torch.enable_grad():
        variable = inputs.detach().requires_grad_()
        (slopes,) = torch.autograd.grad(function(variable).sum(), variable)
    return slopes


def _quotient(u: Tensor, w: Tensor, f_u: Tensor, f_w: Tensor) -> Tensor:
    return (f_u - f_w).div_(u - w)
