"""shap.DeepExplainer, the reference: exact for the layers it supports, but slow and large."""

import warnings

import shap
from torch import Tensor, nn

from stages.explainers.base.contract import Attribute, Attributions, select_classes

VALUES = (
    "share of the output's change from its base value: output units per pixel; they sum to "
    "output minus base value for the layers that shap supports"
)
ADDS_UP = True


def build(network: nn.Module, background: Tensor, seed: int) -> Attribute:
    """Prepare the method; `seed` is unused, since nothing is sampled."""
    explainer = shap.DeepExplainer(network, background)

    def attribute(images: Tensor, classes: Tensor) -> Attributions:
        with warnings.catch_warnings():
            # shap falls back to the gradient, which is exact for this affine layer.
            warnings.filterwarnings("ignore", message="unrecognized nn.Module: Standardize")
            values = explainer.shap_values(images, check_additivity=False)
        return Attributions(select_classes(values, classes))

    return attribute
