"""Rules for element-wise functions: the rescale rule.

The multiplier is the secant, the change of the output divided by the change of the input (Shrikumar
et al. 2017, arXiv:1704.02685). A closed form without subtraction keeps all digits, however small
the change. Elsewhere, changes are computed in float64 from the same rounded inputs.
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
"""Changes of a smooth function's input below which its secant is the mean of both slopes.

The mean differs from the secant by the square of the change, which is less than float64 rounds.
"""


class _OneInput(Rule):
    """A rule for operations with a single argument that depends on the images."""

    is_local = True

    def __init__(self, call: Call) -> None:
        super().__init__(call)
        call.require_only(call.varying[0])


class Elementwise(_OneInput):
    """An element-wise function.

    Args:
        call: The call in the network.
        secant: The closed form of the function's secant.
    """

    def __init__(self, call: Call, secant: Secant) -> None:
        super().__init__(call)
        self._secant = secant

    def save(self, inputs: Sequence[Activation], output: Activation) -> Saved:
        """The input; recomputing the output costs less than saving it."""
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
        y, y_b = self.compute(x), self.compute(b)
        x, b = self.aligned(x[:, None]), self.aligned(b[None])
        return self._secant(x, b, y[:, None], y_b[None])


class Numeric(Elementwise):
    """A function whose secant has no closed form.

    Args:
        call: The call in the network.
        threshold: Changes of the input up to which the secant is the mean of both slopes; 0 for
            functions with kinks.
    """

    def __init__(self, call: Call, threshold: float) -> None:
        super().__init__(call, _quotient)
        self._threshold = threshold

    def ratio(self, x: Tensor, b: Tensor) -> Tensor:
        """The secants of n and b inputs, (n, b, ...)."""
        (y, slopes), (y_b, slopes_b) = (outputs_and_slopes(self.compute, side) for side in (x, b))
        mean = self.aligned(slopes[:, None] + slopes_b[None]).div_(2)
        x, b = self.aligned(x[:, None]), self.aligned(b[None])
        ratio = self._secant(x, b, y[:, None], y_b[None])
        return torch.where((x - b).abs_() <= self._threshold, mean, ratio)


class Selection(_OneInput):
    """Functions such as ReLU, whose outputs are their inputs or constants: float32 is exact."""

    def save(self, inputs: Sequence[Activation], output: Activation) -> Saved:
        """The input and the output."""
        return (inputs[0].narrow, output.narrow)

    def backward(
        self, multiplier: Multiplier, image: Saved, background: Saved
    ) -> Sequence[Multiplier]:
        """Scale by the secant, or by the slope where the input does not change."""
        (x, y), (b, y_b) = image, background
        change = self.aligned(x[:, None] - b[None])
        ratio = (y[:, None] - y_b[None]).div_(change)
        ratio = torch.where(change == 0, self._slope(b)[None], ratio)
        return self.scaled(multiplier, per_pair(ratio.to(multiplier.rows.dtype)))

    def _slope(self, inputs: Tensor) -> Tensor:
        return outputs_and_slopes(self.compute, inputs)[1]


class Step(Selection):
    """Functions that jump, such as sign. Where a pair barely crosses a jump, its ratio is large."""

    def save(self, inputs: Sequence[Activation], output: Activation) -> Saved:
        """Both in float64, since rounding could move the input across a jump."""
        return (inputs[0].wide, output.wide)


class Comparison(Step):
    """A comparison with a constant: 1 for true, 0 for false."""

    def compute(self, *inputs: Tensor) -> Tensor:
        """The output for n images."""
        return super().compute(*inputs).to(inputs[0].dtype)

    def _slope(self, inputs: Tensor) -> Tensor:
        return torch.zeros_like(inputs)


class Rectifier(Selection):
    """ReLU."""

    def compute(self, *inputs: Tensor) -> Tensor:
        """The output for n images; without `torch.vmap`, which takes longer than the function."""
        return inputs[0].relu()

    def save(self, inputs: Sequence[Activation], output: Activation) -> Saved:
        """The input; recomputing the output costs less than saving it."""
        return (inputs[0].narrow,)

    def backward(
        self, multiplier: Multiplier, image: Saved, background: Saved
    ) -> Sequence[Multiplier]:
        """Scale by the secant."""
        (x,), (b,) = image, background
        ratio = kernels.relu_ratios(multiplier, x, b)
        if ratio is None:
            return super().backward(multiplier, (x, x.relu()), (b, b.relu()))
        return self.scaled(multiplier, ratio)

    def _slope(self, inputs: Tensor) -> Tensor:
        return (inputs > 0).to(inputs.dtype)


class Softmax(Rule):
    """The rule of shap for a network's last softmax or log-softmax.

    Output k is explained through logit k alone: the multiplier is the change of the probability
    divided by the change of its own logit, so the influence of the other logits is attributed to
    that logit, too. This makes sense for a network's output only. Where the logit changes by less
    than 1e-6, the multiplier is the slope, as in shap.
    """

    _THRESHOLD = 1e-6

    def save(self, inputs: Sequence[Activation], output: Activation) -> Saved:
        """Logits and outputs in float64: a probability may change far more than its logit."""
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


def outputs_and_slopes(
    function: Callable[[Tensor], Tensor], inputs: Tensor
) -> tuple[Tensor, Tensor]:
    """The outputs of an element-wise function, and its derivative."""
    with torch.enable_grad():
        variable = inputs.detach().requires_grad_()
        outputs = function(variable)
        (slopes,) = torch.autograd.grad(outputs.sum(), variable)
    return outputs.detach(), slopes


def _quotient(u: Tensor, w: Tensor, f_u: Tensor, f_w: Tensor) -> Tensor:
    return (f_u - f_w).div_(u - w)
