"""A linear layer and the linear steps before it, as one step.

Classifiers flatten planes, and some pool them to a fixed size first, which repeats elements of
planes that are smaller (VGG at 64 px: 2 x 2 to 7 x 7). One weight does it all on the way back. It is
what the layer's weight becomes when it goes back through the steps as a multiplier.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, fx

from .linear import Dense, Linear, Unchanged
from .multiplier import Multiplier
from .precision import Activation
from .rules import Rule, Saved, Step


class Composed(Rule):
    """A linear layer behind other linear steps.

    Args:
        before: Rules of the steps before the layer, in order.
        dense: The layer's.
        weight: Of all, (outputs, *one input).
    """

    def __init__(self, before: Sequence[Rule], dense: Dense, weight: Tensor) -> None:
        super().__init__(dense.call)
        self._rules = [*before, dense]
        self._features = weight.shape[1:]
        ...
