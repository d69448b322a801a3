"""Occlusion: how far an output falls when a window of the image is hidden; captum's `Occlusion`.

The mean background image shows in the window, which moves by about half its side.

Source: Zeiler & Fergus 2014, arXiv:1311.2901.
"""

import math

from torch import Tensor, nn

from stages.explainers.base.captum_extra import captum
from stages.explainers.base.contract import Attribute
from stages.explainers.base.one_by_one import one_by_one

VALUES = (
    "fall of the output when a window around the pixel is hidden, shared by the window's pixels: "
    "output units per pixel; windows overlap, and pixels of one window have similar values"
)
ADDS_UP = False

WINDOWS = 7  # windows side by side along the shorter side of the image


def window_and_step(height: int, width: int) -> tuple[tuple[int, int], int]:
    """Height and width of the window, and its step, in pixels.

    The window is up to a step larger than its share of the image, so that the last one ends at the
    image's edge.
    """
    side = max(1, round(min(height, width) / WINDOWS))
    step = max(1, side // 2)
    return (side + (height - side) % step, side + (width - side) % step), step


def build(network: nn.Module, background: Tensor, seed: int) -> Attribute:
    """Prepare the method; `seed` is unused, since nothing is sampled."""
    channels, *size = background.shape[1:]
    sides, step = window_and_step(*size)
    window = (channels, *sides)
    hidden = background.mean(dim=0, keepdim=True)
    occlusion = captum.Occlusion(network)

    def map_each(images: Tensor, classes: Tensor) -> Tensor:
        falls: Tensor = occlusion.attribute(
            images, window, strides=(channels, step, step), baselines=hidden, target=classes
        )
        return falls / math.prod(window)

    return one_by_one(map_each)
