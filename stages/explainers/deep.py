"""Our DeepSHAP engine: shap.DeepExplainer's values, faster, and additive where shap's are not."""

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from stages.core.errors import UserError
from stages.deepshap import DeepShap, UnsupportedOperation
from stages.explainers.base.contract import Attribute


def build(network: nn.Module, background: Tensor, seed: int) -> Attribute:
    """Prepare the method; it does not sample, so `seed` is not used."""
    try:
        explainer = DeepShap(network, background)
    except UnsupportedOperation as error:
        raise UserError(f"explain.method deep: {error}") from error

    def attribute(images: Tensor) -> NDArray[np.floating]:
        values: NDArray[np.floating] = explainer.attribute(images).cpu().numpy()
        return values

    return attribute
