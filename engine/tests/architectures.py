"""Image classifiers as users write them: two small networks, a residual one and a transformer."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

Size = tuple[int, int]


class Standardize(nn.Module):
    """Pixels 0 … 255, less 0.2 and over 0.3 of that range."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.full((1, channels, 1, 1), 0.2 * 255))
        self.register_buffer("scale", torch.full((1, channels, 1, 1), 1 / (0.3 * 255)))

    def forward(self, images: Tensor) -> Tensor:
        return (images - self.mean) * self.scale


def convnet(channels: int, size: Size, n_outputs: int) -> nn.Module:
    """Two 3×3 convolutions, each with ReLU and then a pool."""
    height, width = (((side - 2) // 2 - 2) // 2 for side in size)
    return nn.Sequential(
        nn.Conv2d(channels, 32, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.Linear(64 * height * width, n_outputs),
    )


def lenet(channels: int, size: Size, n_outputs: int) -> nn.Module:
    """Two 5×5 convolutions, each with a pool and then ReLU."""
    height, width = (((side - 4) // 2 - 4) // 2 for side in size)
    return nn.Sequential(
        nn.Conv2d(channels, 10, 5),
        nn.MaxPool2d(2),
        nn.ReLU(),
        nn.Conv2d(10, 20, 5),
        nn.Dropout(0.5),
        nn.MaxPool2d(2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(20 * height * width, 50),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(50, n_outputs),
    )


def fully_connected(channels: int, size: Size, n_outputs: int) -> nn.Module:
    """One convolution and a wide linear layer."""
    height, width = ((side - 2) // 2 for side in size)
    return nn.Sequential(
        nn.Conv2d(channels, 32, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(32 * height * width, 256),
        nn.ReLU(),
        nn.Linear(256, n_outputs),
    )


class Residual(nn.Module):
    """Two convolutions with batch norm, added to their input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *_convolution(channels, channels), nn.ReLU(), *_convolution(channels, channels)
        )
        self.relu = nn.ReLU()

    def forward(self, planes: Tensor) -> Tensor:
        return self.relu(planes + self.body(planes))


def _convolution(inputs: int, outputs: int, stride: int = 1) -> tuple[nn.Module, nn.Module]:
    return nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False), nn.BatchNorm2d(outputs)


def resnet(channels: int, size: Size, n_outputs: int) -> nn.Module:
    """Two stages, each with a residual block, and an average over the plane."""
    widths = (16, 48, 96)
    layers: list[nn.Module] = [*_convolution(channels, widths[0]), nn.ReLU()]
    for before, after in itertools.pairwise(widths):
        layers += [*_convolution(before, after, stride=2), nn.ReLU(), Residual(after)]
    head = nn.Linear(widths[-1], n_outputs)
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), head)


class Tokens(nn.Module):
    """Convolutions that make a token of each 4×4 pixels."""

    def __init__(self, channels: int, size: Size, width: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(channels, width // 2, 3, stride=2, padding=1),
            nn.GELU(),
            nn.Conv2d(width // 2, width, 3, stride=2, padding=1),
        )
        rows, columns = (-(-side // 4) for side in size)
        self.positions = nn.Parameter(0.02 * torch.randn(rows * columns, width))

    def forward(self, images: Tensor) -> Tensor:
        return self.stem(images).flatten(2).transpose(1, 2) + self.positions


class Attention(nn.Module):
    """Multi-head self-attention."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.project_in = nn.Linear(width, 3 * width)
        self.project_out = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        projected = self.project_in(tokens).unflatten(2, (3, self.heads, -1))
        means = scaled_dot_product_attention(*projected.permute(2, 0, 3, 1, 4))
        return self.project_out(means.transpose(1, 2).flatten(2))


class Encoder(nn.Module):
    """Attention, then a perceptron; each is added to its input."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention = nn.Sequential(nn.LayerNorm(width), Attention(width, heads))
        self.perceptron = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 64), nn.GELU(), nn.Linear(64, width)
        )

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = tokens + self.attention(tokens)
        return tokens + self.perceptron(tokens)


class Classifier(nn.Module):
    """The mean token, normalised and classified."""

    def __init__(self, width: int, n_outputs: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, n_outputs)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.norm(tokens).mean(dim=1))


def vit(channels: int, size: Size, n_outputs: int) -> nn.Module:
    """A vision transformer of two encoder layers, four heads each."""
    encoders = (Encoder(32, 4) for _ in range(2))
    return nn.Sequential(Tokens(channels, size, 32), *encoders, Classifier(32, n_outputs))


ARCHITECTURES: dict[str, Callable[[int, Size, int], nn.Module]] = {
    "convnet": convnet,
    "lenet": lenet,
    "fully_connected": fully_connected,
    "resnet": resnet,
    "vit": vit,
}
