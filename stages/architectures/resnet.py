"""Residual blocks with batch norm (He et al. 2016, arXiv:1512.03385), small enough for a processor.

A convolution sees the image in its full size; each stage after it halves the size first.
"""

import itertools
from collections.abc import Sequence
from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

Count = Annotated[int, Field(ge=1)]


class Residual(nn.Module):
    """What two convolutions add to their input, rectified.

    The two rectifiers are modules of their own, used once each: explainers tell them apart.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *_convolution(channels, channels), nn.ReLU(), *_convolution(channels, channels)
        )
        self.relu = nn.ReLU()

    def forward(self, features: Tensor) -> Tensor:
        """Map (n, channels, height, width) to the same shape."""
        rectified: Tensor = self.relu(features + self.body(features))
        return rectified


def build(
    channels: int,
    image_size: tuple[int, int],
    n_classes: int,
    *,
    widths: Annotated[Sequence[Count], Field(min_length=1)] = (16, 48, 96),
    blocks: Annotated[int, Field(ge=0)] = 1,
) -> nn.Module:
    """Build the network.

    Args:
        channels: Of the images, 1 for grey or 3 for colour.
        image_size: Height and width in pixels; any, since the features are averaged over it.
        n_classes: Number of outputs.
        widths: Channels of the first convolution, then of each stage.
        blocks: Residual blocks in each stage.

    Returns:
        Maps standardised images (n, channels, height, width) to logits (n, n_classes).
    """
    layers: list[nn.Module] = [*_convolution(channels, widths[0]), nn.ReLU()]
    for before, after in itertools.pairwise(widths):
        layers += [*_convolution(before, after, stride=2), nn.ReLU()]
        layers += [Residual(after) for _ in range(blocks)]
    head = nn.Linear(widths[-1], n_classes)
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), head)


def _convolution(before: int, after: int, stride: int = 1) -> tuple[nn.Module, nn.Module]:
    return nn.Conv2d(before, after, 3, stride, padding=1, bias=False), nn.BatchNorm2d(after)
