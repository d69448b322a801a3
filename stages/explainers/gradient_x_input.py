"""Gradient × input; captum's `InputXGradient`.

Source: Shrikumar et al. 2016, arXiv:1605.01713.
"""

from torch import Tensor, nn

from stages.explainers.base.captum_extra import captum
from stages.explainers.base.contract import Attribute
from stages.explainers.base.one_by_one import one_by_one

VALUES = (
    "gradient of the output by a pixel, times the pixel's value (0 to 255): output units per "
    "pixel, relative to black; black pixels have the value 0"
)
ADDS_UP = False


def build(network: nn.Module, background: Tensor, seed: int) -> Attribute:
    """Prepare the method; `seed` and the background are unused."""
    method = captum.InputXGradient(network)

    def map_each(images: Tensor, classes: Tensor) -> Tensor:
        values: Tensor = method.attribute(images.requires_grad_(), target=classes)
        return values

    return one_by_one(map_each)
