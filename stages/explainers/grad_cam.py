"""Grad-CAM: the last feature maps, weighted by their mean gradients; captum's `LayerGradCam`.

Source: Selvaraju et al. 2017, arXiv:1610.02391; negative sums become 0, as there.
"""

from torch import Tensor, nn

from stages.explainers.base.captum_extra import captum
from stages.explainers.base.contract import Attribute
from stages.explainers.base.feature_maps import enlarge, feature_layer
from stages.explainers.base.one_by_one import one_by_one

VALUES = (
    "how much a place of the last feature maps supports the class: 0 or more, without a unit; "
    "enlarged by bilinear interpolation"
)
ADDS_UP = False


def build(network: nn.Module, background: Tensor, seed: int) -> Attribute:
    """Prepare the method; `seed` is unused, and of the background only the shape counts."""
    cam = captum.LayerGradCam(network, feature_layer(network, background[:1]))

    def map_each(images: Tensor, classes: Tensor) -> Tensor:
        images.requires_grad_()  # as all weights are frozen, gradients start there
        coarse = cam.attribute(images, target=classes, relu_attributions=True)
        return enlarge(coarse, images.shape)

    return one_by_one(map_each)
