"""Grad-CAM++: Grad-CAM whose gradients are weighted place by place. Captum lacks it.

Source: Chattopadhyay et al. 2018, arXiv:1710.11063, equations 12 to 14 and 19. The score is the
exponential of the output there; its factor, the same for a whole map, is left out.
"""

import torch
from torch import Tensor, nn

from stages.explainers.base.contract import Attribute
from stages.explainers.base.feature_maps import enlarge, feature_layer, features_and_gradients
from stages.explainers.base.one_by_one import one_by_one

VALUES = (
    "how much a place of the last feature maps supports the class: 0 or more, without a unit; "
    "enlarged by bilinear interpolation"
)
ADDS_UP = False


def build(network: nn.Module, background: Tensor, seed: int) -> Attribute:
    """Prepare the method; `seed` is unused, and of the background only the shape counts."""
    layer = feature_layer(network, background[:1])

    def map_each(images: Tensor, classes: Tensor) -> Tensor:
        features, gradients = features_and_gradients(network, layer, images, classes)
        return enlarge(coarse_maps(features, gradients), images.shape)

    return one_by_one(map_each)


def coarse_maps(features: Tensor, gradients: Tensor) -> Tensor:
    """The maps (p, 1, h', w') from feature maps and the output's gradients (p, f, h', w')."""
    squares = gradients**2
    divisors = 2 * squares + features.sum(dim=(2, 3), keepdim=True) * gradients**3
    shares = squares / torch.where(divisors == 0, 1, divisors)  # 0 where the gradient is 0
    weights = (shares * gradients.relu()).sum(dim=(2, 3), keepdim=True)
    return (weights * features).sum(dim=1, keepdim=True).relu()
