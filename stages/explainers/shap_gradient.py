"""shap.GradientExplainer, expected gradients: works for any network, but samples: not exact."""

import shap
from torch import Tensor, nn

from stages.explainers.base.contract import Attribute, Attributions, select_classes

VALUES = (
    "share of the output's change from its base value: output units per pixel; they sum to "
    "output minus base value up to the error of sampling"
)
ADDS_UP = True


def build(network: nn.Module, background: Tensor, seed: int) -> Attribute:
    """Prepare the method; every call samples with the same seed."""
    explainer = shap.GradientExplainer(network, background)

    def attribute(images: Tensor, classes: Tensor) -> Attributions:
        values = explainer.shap_values(images, rseed=seed)
        return Attributions(select_classes(values, classes))

    return attribute
