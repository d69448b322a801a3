"""shap.DeepExplainer, the reference: exact for the layers that it knows, slow, memory-hungry."""

import warnings

import numpy as np
import shap
from numpy.typing import NDArray
from torch import Tensor, nn

from stages.explainers.base.contract import Attribute


def build(network: nn.Module, background: Tensor, seed: int) -> Attribute:
    """Prepare the method; it does not sample, so `seed` is not used."""
    explainer = shap.DeepExplainer(network, background)

    def attribute(images: Tensor) -> NDArray[np.floating]:
        with warnings.catch_warnings():
            # Our first layer is affine: shap falls back to its gradient, which is exact.
            warnings.filterwarnings("ignore", message="unrecognized nn.Module: Standardize")
            values: NDArray[np.floating] = explainer.shap_values(images, check_additivity=False)
        return values

    return attribute
