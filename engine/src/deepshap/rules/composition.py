"""Merges a linear layer and the linear steps before it into one step.

Classifiers flatten planes first, and some pool them to a fixed size, which repeats elements of
smaller planes (VGG at 64 px: 2 × 2 to 7 × 7). In both passes, a single weight covers all these
steps: the layer's weight, passed back through them as a multiplier. It is up to 12 times smaller,
and its result is channels last, as convolutions read it. VGG at 64 px is a fifth faster.
A layer behind a ReLU gains even alone, because compiled loops skip the zeros.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from deepshap import kernels
from deepshap.multiplier import Multiplier
from deepshap.precision import Activation, Precision
from deepshap.rules.base import Rule, Saved, features, only_where
from deepshap.rules.linear import Dense, Linear, Unchanged


class Composed(Rule):
    """A linear layer behind linear steps.

    Args:
        rules: The rules of the steps in order; the layer's rule comes last.
        weight: The weight of all steps together, (outputs, *features of the input).
    """

    def __init__(self, rules: Sequence[Rule], weight: Tensor) -> None:
        super().__init__(rules[-1].call)
        self.rules = rules
        self._is_plane = weight.ndim == 4 and weight.shape[1] % kernels.LANES == 0
        channels_last = weight.movedim(1, -1)
        self._sides = channels_last.shape[1:]
        self._weight = channels_last.flatten(1)
        planes = weight if self._is_plane else self._weight[:, :, None, None]
        self._compiled_weight = kernels.Weight(planes)
        precision = Precision(self._weight)
        self._wide_weight: Tensor = precision.widened(self._weight)
        zeros = self._weight.new_zeros(1, *features(rules[0].call.inputs[0]))
        x = Activation(precision.widened(zeros), precision)
        for rule in rules[:-1]:
            x, _ = rule.forward(x)
        constant = self.call.narrow(x.narrow.reshape(self.call.inputs[0]))
        self._constant: Tensor = precision.widened(constant.reshape(1, -1))

    def compute(self, *inputs: Tensor) -> Tensor:
        """Multiply by the weight, and add what the steps make of zeros."""
        (x,) = inputs
        return self._constant + x.movedim(1, -1).flatten(1) @ self._wide_weight.mT

    def backward(
        self, multiplier: Multiplier, image: Saved, background: Saved
    ) -> Sequence[Multiplier]:
        """Multiply by the weight."""
        return self.backward_where(multiplier, image, background, None)

    def backward_where(
        self, multiplier: Multiplier, image: Saved, background: Saved, changed: Tensor | None
    ) -> Sequence[Multiplier]:
        """Multiply by the weight where the input changes.

        For the loops, the layer is a convolution with a single window: the whole plane, or a plane
        of one pixel if its channels do not fill vectors.
        """
        changed = changed if self._is_plane else None
        size = (self._sides[0], self._sides[1]) if self._is_plane else (1, 1)
        planes = kernels.transposed(
            _as_plane(multiplier), self._compiled_weight, (1, 1), (0, 0), size, needed=changed
        )
        if planes is not None and self._is_plane:
            return [only_where(planes, changed)]
        if planes is not None:
            rows = planes[..., 0, 0].unflatten(2, self._sides)
            return [Multiplier(rows.movedim(-1, 2))]
        rows = torch.unflatten(multiplier.dense() @ self._weight, -1, self._sides)
        return [Multiplier(rows.movedim(-1, 2))]


def composed(rules: Sequence[Rule]) -> tuple[Composed, int] | None:
    """Merge a linear layer with the linear steps before it, as long as the weight does not grow.

    Args:
        rules: The rules of a chain of steps, each of which reads only the one before; the last is a
            linear layer's.

    Returns:
        The merged rule and how many of the last rules it replaces; None if the layer reads more
            than one axis.
    """
    *before, dense = rules
    assert isinstance(dense, Dense)
    if len(features(dense.call.inputs[0])) != 1:
        return None
    weight, count = Multiplier(dense.weight[None]), 1
    for rule in reversed(before):
        if not isinstance(rule, Linear | Unchanged):
            break
        if rule.call.inputs[0].numel() > rule.call.output.numel():
            break
        (weight,) = rule.backward(weight, (), ())
        count += 1
    return Composed(rules[-count:], weight.dense()[0]), count


def _as_plane(multiplier: Multiplier) -> Multiplier:
    """The multiplier of features, (p, k, c), as planes of one pixel."""
    ratio = multiplier.ratio
    return Multiplier(
        multiplier.rows[..., None, None], None if ratio is None else ratio[..., None, None]
    )
