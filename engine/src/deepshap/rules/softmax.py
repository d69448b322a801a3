"""The rule for a softmax inside a network, as in attention.

The logarithm of a softmax y changes by Δ ln y = Δx - Δ ln Σa with a = exp(x). The steps from ln y
to y, from x to a and from Σa to ln Σa are secants of exp and ln. Logarithmic means L express these
without dividing by a small change:

    m(j -> k) = L(y_k, y_k') (δ_jk - p_j),    p_j = L(a_j, a_j') / L(Σa, Σa').

All factors lie in [0, 1] at any scale of the logits. Here the engine differs from shap although the
values of shap add up. shap's rule divides by the change of each output's own logit. So its
multipliers reach the hundreds, and it misses a probability that changes while its logit does not.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from deepshap.precision import Activation
from deepshap.rules.base import Call, PairRule, Saved
from deepshap.rules.secants import decay


class InnerSoftmax(PairRule):
    """Softmax or log-softmax along an axis."""

    def __init__(self, call: Call) -> None:
        super().__init__(call)
        self._dim = call.arguments["dim"] % len(call.output)

    def save(self, inputs: Sequence[Activation], output: Activation) -> Saved:
        """The logarithms of the outputs, and of the sums that they were divided by.

        The former may be rounded: where they are large, their exponential is small. The latter are
        few and stay in float64.
        """
        (x,) = inputs
        logits = x.wide.reshape(len(x.wide), *self.call.inputs[0])
        total = torch.logsumexp(logits, self._dim + 1, keepdim=True)
        log_y = (logits - total).reshape(x.wide.shape)
        return (Activation(log_y, x.precision).narrow, total)

    def for_pair(self, multiplier: Tensor, image: Saved, background: Saved) -> Sequence[Tensor]:
        """Pass from the logarithms of the outputs to the logits, also through that of the sum."""
        (log_y, total), (log_y_b, total_b) = image, background
        log_y, log_y_b = (t.reshape(self.call.output) for t in (log_y, log_y_b))
        grown = (total - total_b).to(log_y.dtype)  # change of ln Σa
        # Logits minus the larger of both ln Σa.
        x, x_b = log_y + grown.clamp(max=0), log_y_b + (-grown).clamp(max=0)
        change = torch.nan_to_num(
            (log_y - log_y_b + grown).abs(), nan=0.0
        )  # NaN for two masked logits
        share = torch.maximum(x, x_b).exp() * decay(change) / decay(grown.abs())
        if "log" not in self.call.name:
            change = torch.nan_to_num((log_y - log_y_b).abs(), nan=0.0)
            multiplier = multiplier * (torch.maximum(log_y, log_y_b).exp() * decay(change))
        return [multiplier - share * multiplier.sum(self._dim, keepdim=True)]
