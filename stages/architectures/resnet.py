"""Residual blocks with batch norm (He et al. 2016, arXiv:1512.03385), small enough for a CPU.

A convolution at full resolution comes first; each stage after it halves the resolution.
"""

import itertools
from collections.abc import Sequence
from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

Count = Annotated[int, Field(ge=1)]


class Residual(nn.Module):
    """Adds two convolutions to their input, then applies ReLU.

    Each ReLU is a separate module and runs once, as shap.DeepExplainer requires.
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
        channels: 1 for grey images, 3 for colour.
        image_size: Height and width in pixels; not used, since features are averaged over them.
        n_classes: Number of outputs.
        widths: Channels of the first convolution, then of each stage.
        blocks: Residual blocks in each stage.

    Returns:
        A network that maps standardised images (n, channels, height, width) to logits
        (n, n_classes).
    """
    layers: list[nn.Module] = [*_convolution(channels, widths[0]), nn.ReLU()]
    for inputs, outputs in itertools.pairwise(widths):
        layers += [*_convolution(inputs, outputs, stride=2), nn.ReLU()]
        layers += [Residual(outputs) for _ in range(blocks)]
    head = nn.Linear(widths[-1], n_classes)
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), head)


def _convolution(inputs: int, outputs: int, stride: int = 1) -> tuple[nn.Module, nn.Module]:
    return nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False), nn.BatchNorm2d(outputs)
