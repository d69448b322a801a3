"""shap.DeepExplainer, the reference: exact for the layers that it knows, slow, memory-hungry."""

import warnings

import shap
from torch import Tensor, nn

from stages.explainers.base.contract import Attribute, Attributions, select_classes


def build(network: nn.Module, background: Tensor, seed: int) -> Attribute:
    """Prepare the method; it does not sample, so `seed` is not used."""
    explainer = shap.DeepExplainer(network, background)

    def attribute(images: Tensor, classes: Tensor) -> Attributions:
        with warnings.catch_warnings():
            # Our first layer is affine: shap falls back to its gradient, which is exact.
            warnings.filterwarnings("ignore", message="unrecognized nn.Module: Standardize")
            values = explainer.shap_values(images, check_additivity=False)
        return Attributions(select_classes(values, classes))

    return attribute
