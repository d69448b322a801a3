"""The rule of a softmax inside a network, as in attention.

The logarithm of a softmax y changes by Δ ln y = Δx - Δ ln Σa with a = exp(x). The steps from ln y
to y, from x to a and from Σa to ln Σa are secants of exp and ln, which logarithmic means L state
without dividing by a small change:

    m(j -> k) = L(y_k, y_k') (δ_jk - p_j),    p_j = L(a_j, a_j') / L(Σa, Σa').

All factors lie in [0, 1] at any scale of the logits. This is where the engine differs from shap
though shap adds up: its rule looks at each output's own logit alone, divides by its change, and so
gives multipliers of hundreds, or misses a probability that changes though its logit does not.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from deepshap.precision import Activation
from deepshap.rules.base import Call, Paired, Saved
from deepshap.rules.secants import decay


class InnerSoftmax(Paired):
    """Softmax or log-softmax along an axis."""

    def __init__(self, call: Call) -> None:
        super().__init__(call)
        self._dim = call.arguments["dim"] % len(call.output)

    def kept(self, inputs: Sequence[Activation], output: Activation) -> Saved:
        """The logarithms of the outputs, and of the sums they were divided by.

        The first lose nothing by rounding: where they are large, their exponential is small. The
        second are few, and stay wide.
        """
        (x,) = inputs
        logits = x.wide.reshape(len(x.wide), *self.call.inputs[0])
        total = torch.logsumexp(logits, self._dim + 1, keepdim=True)
        log_y = (logits - total).reshape(x.wide.shape)
        return (Activation(log_y, x.precision).narrow, total)

    def one(self, multiplier: Tensor, image: Saved, background: Saved) -> Sequence[Tensor]:
        """Go from the outputs' logarithms to the logits, by way of the sum's logarithm."""
        (log_y, total), (log_y_b, total_b) = image, background
        log_y, log_y_b = (t.reshape(self.call.output) for t in (log_y, log_y_b))
        grown = (total - total_b).to(log_y.dtype)  # the change of ln Σa
        # Logits less the larger of both ln Σa.
        x, x_b = log_y + grown.clamp(max=0), log_y_b + (-grown).clamp(max=0)
        change = torch.nan_to_num((log_y - log_y_b + grown).abs(), nan=0.0)  # of two masked logits
        share = torch.maximum(x, x_b).exp() * decay(change) / decay(grown.abs())
        if "log" not in self.call.name:
            change = torch.nan_to_num((log_y - log_y_b).abs(), nan=0.0)
            multiplier = multiplier * (torch.maximum(log_y, log_y_b).exp() * decay(change))
        return [multiplier - share * multiplier.sum(self._dim, keepdim=True)]
