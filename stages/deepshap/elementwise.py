"""Rules of functions applied element by element: the rescale rule.

The multiplier is the secant, the change of the output over the change of the input (Shrikumar et
al. 2017, arXiv:1704.02685). Where algebra gives it without subtracting, it has all digits however
small the change is. Elsewhere the changes are subtracted in float64, from the same rounded inputs.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from .linear import Scale
from .multiplier import Multiplier
from .precision import Activation, Precision
from .rules import Call, Rule, Saved, per_pair

Secant = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
"""From inputs u, w and outputs f(u), f(w) to (f(u) - f(w)) / (u - w), its limit where u = w."""

SMOOTH_THRESHOLD = 1e-5
"""Below this change of its input a smooth function passes the mean of both slopes.

The mean differs from the secant by the square of the change, which is less than float64 loses.
"""


class Elementwise(Rule):
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


class Selection(Rule):
    """Every output is its input or a constant, as ReLU's: their changes need no more digits."""

    def kept(self, inputs: Sequence[Activation], output: Activation) -> Saved:
        """Both sides."""
        return (inputs[0].narrow, output.narrow)

    def backward(
        self, multiplier: Multiplier, image: Saved, background: Saved
    ) -> Sequence[Multiplier]:
        """Scale by the secant; where nothing changes, by the slope."""
        (x, y), (b, y_b) = image, background
        change = x[:, None] - b[None]
        ratio = (y[:, None] - y_b[None]).div_(change)
        ratio = torch.where(change == 0, self._slope(b)[None], ratio)
        return self.scaled(multiplier, per_pair(ratio))

    def _slope(self, inputs: Tensor) -> Tensor:
        return slope(self.computed, inputs)


class Rectifier(Selection):
    """ReLU."""

    def _slope(self, inputs: Tensor) -> Tensor:
        return (inputs > 0).to(inputs.dtype)


class Softmax(Rule):
    """Shap's rule for a network's last softmax or log-softmax: for output k, only logit k matters.

    The change of a probability over the change of its own logit; the other logits' influence is
    credited to that logit too. So it makes sense for the network's output alone. Where its own
    logit changes by less than 1e-6, the slope, as in shap.
    """

    only_last = True
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


# Closed forms, none of which subtracts what is nearly equal


def decay(t: Tensor) -> Tensor:
    """(1 - exp(-t)) / t for t >= 0, which falls from 1."""
    return torch.where(t == 0, 1.0, -torch.expm1(-t) / t)


def exponential(u: Tensor, w: Tensor, f_u: Tensor, f_w: Tensor) -> Tensor:
    """The logarithmic mean of exp(u) and exp(w)."""
    return torch.maximum(f_u, f_w) * decay((u - w).abs())


def logarithm(u: Tensor, w: Tensor, f_u: Tensor, f_w: Tensor) -> Tensor:
    """One over the logarithmic mean of u and w."""
    low, high = torch.minimum(u, w), torch.maximum(u, w)
    t = (high - low) / low
    return torch.where(t == 0, 1.0, torch.log1p(t) / t) / low


def sigmoid(u: Tensor, w: Tensor, f_u: Tensor, f_w: Tensor) -> Tensor:
    """By tanh((u - w) / 2) = (s_u - s_w) / (s_u (1 - s_w) + s_w (1 - s_u)) of s = sigmoid."""
    half = (u - w).abs() / 2
    slope = torch.where(half == 0, 1.0, torch.tanh(half) / half) / 2
    return slope * (f_u * torch.sigmoid(-w) + f_w * torch.sigmoid(-u))


def tanh(u: Tensor, w: Tensor, f_u: Tensor, f_w: Tensor) -> Tensor:
    """As tanh(u) = 2 sigmoid(2 u) - 1."""
    return 4 * sigmoid(2 * u, 2 * w, torch.sigmoid(2 * u), torch.sigmoid(2 * w))


def silu(u: Tensor, w: Tensor, f_u: Tensor, f_w: Tensor) -> Tensor:
    """The product of u and sigmoid(u)."""
    s_u, s_w = torch.sigmoid(u), torch.sigmoid(w)
    return (s_u + s_w) / 2 + (u + w) / 2 * sigmoid(u, w, s_u, s_w)


def root(u: Tensor, w: Tensor, f_u: Tensor, f_w: Tensor) -> Tensor:
    """1 / (sqrt(u) + sqrt(w)); 0 where both are 0, as nothing changes there."""
    total = f_u + f_w
    return torch.where(total == 0, 0.0, 1 / total)


def inverse_root(u: Tensor, w: Tensor, f_u: Tensor, f_w: Tensor) -> Tensor:
    """For v = u^(-1/2): -v² v'² / (v + v')."""
    return -((f_u * f_w) ** 2) / (f_u + f_w)


def quotient(call: Call) -> Rule:
    """The rule of a division by or of a constant."""
    if call.arguments.get("rounding_mode") is not None:
        raise NotImplementedError("it rounds, which has no multiplier")
    if call.varying == ("self",):
        return Scale(call, 1 / call.arguments["other"])
    return Elementwise(call, lambda u, w, f_u, f_w: -f_u / w)


def power(call: Call) -> Rule:
    """The rule of a power whose exponent is a number."""
    call.only("self")
    exponent = call.arguments["exponent"]
    if exponent == 0.5:
        return Elementwise(call, root)
    if exponent == -0.5:
        return Elementwise(call, inverse_root)
    if exponent == -1:
        return Elementwise(call, lambda u, w, f_u, f_w: -f_u * f_w)
    if exponent in range(1, 10):
        return Elementwise(call, lambda u, w, f_u, f_w: _divided_difference(u, w, int(exponent)))
    return Numeric(call, 0.0)


def _divided_difference(u: Tensor, w: Tensor, exponent: int) -> Tensor:
    """(u^n - w^n) / (u - w) = sum of u^i w^(n - 1 - i)."""
    total = torch.ones_like(u - w)
    for at in range(1, exponent):
        total = total * w + u**at
    return total
