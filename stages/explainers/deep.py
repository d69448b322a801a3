"""Our DeepSHAP engine: shap.DeepExplainer's values, faster, and additive where shap's are not."""

import numpy as np
from torch import Tensor, nn

from stages.core.errors import UserError
from stages.deepshap import DeepShap, UnsupportedOperation
from stages.explainers.base.contract import Attribute, Attributions
from stages.sampling.background import group_sizes


def build(network: nn.Module, background: Tensor, seed: int) -> Attribute:
    """Prepare the method; it does not sample, so `seed` is not used."""
    sizes = group_sizes(len(background)) if len(background) > 1 else np.ones(1, np.int64)
    try:
        # Until the engine gives the means of the groups by itself.
        explainers = [DeepShap(network, part) for part in background.tensor_split(len(sizes))]
    except UnsupportedOperation as error:
        raise UserError(f"explain.method deep: {error}") from error

    def attribute(images: Tensor, classes: Tensor) -> Attributions:
        alike = bool((classes == classes[0]).all())  # then much is computed once for all images
        outputs = classes[0] if alike else classes
        parts = np.stack([e.attribute(images, outputs).cpu().numpy() for e in explainers], axis=1)
        values = np.average(parts, axis=1, weights=sizes)
        return Attributions(values, parts.sum(axis=2) if len(sizes) > 1 else None)

    return attribute
