"""shap.GradientExplainer, expected gradients: for any network, but sampled, so not exact."""

import numpy as np
import shap
from numpy.typing import NDArray
from torch import Tensor, nn

from stages.explainers.base.contract import Attribute


def build(network: nn.Module, background: Tensor, seed: int) -> Attribute:
    """Prepare the method; each call samples from the same seed."""
    explainer = shap.GradientExplainer(network, background)

    def attribute(images: Tensor) -> NDArray[np.floating]:
        values: NDArray[np.floating] = explainer.shap_values(images, rseed=seed)
        return values

    return attribute
