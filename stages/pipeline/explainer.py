"""What a file in `stages/explainers/` gives to the pipeline."""

from collections.abc import Callable
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from stages.pipeline.plugins import load_plugin

Attribute = Callable[[Tensor], NDArray[np.floating]]


class Explainer(Protocol):
    """A module with this function."""

    def build(self, network: nn.Module, background: Tensor, seed: int) -> Attribute:
        """Prepare a method for a network.

        Args:
            network: In eval mode; maps float images (n, c, h, w) to outputs (n, k).
            background: What stands for "no information" (b, c, h, w), float, on the network's
                device.
            seed: For methods that sample.

        Returns:
            A function from images (n, c, h, w) to attributions (n, c, h, w, k).

        Raises:
            UserError: The network holds something the method cannot explain.
        """


def load_explainer(name: str) -> Explainer:
    """Import the method of a name."""
    return cast(Explainer, load_plugin("explainers", name, ("build",)))
