"""Small networks and images to measure."""

import lzma
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from stages.measures.explanations.base.plan import Plan
from stages.measures.explanations.base.subject import Subject, two_most_probable
from tests.conftest import ROOT


class Outputs(nn.Module):
    """A network whose outputs are a function of its images."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, images: Tensor) -> Tensor:
        return self.function(images)


def subject(network: nn.Module, images: Tensor, background: Tensor) -> Subject:
    """A subject with the network's own predictions."""
    with torch.no_grad():
        probabilities = network(images).double().softmax(dim=1).numpy()
    predicted, runner_up = two_most_probable(probabilities)
    return Subject(
        network=network,
        explained=network,
        images=images,
        background=background,
        predicted=predicted,
        runner_up=runner_up,
        seed=0,
        plan=Plan(n_images=len(images), sampled=False, passes=0),
    )


def small_network(channels: int, n_classes: int) -> nn.Module:
    """A convolution and a linear layer for 12×14 pixels, float64."""
    torch.manual_seed(0)
    layers = nn.Conv2d(channels, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 10 * 12, n_classes)
    return nn.Sequential(*layers).double().eval().requires_grad_(False)


def small_images(n_images: int, channels: int = 2) -> Tensor:
    """Noise of 12×14 pixels, float64."""
    draw = torch.Generator().manual_seed(n_images)
    return torch.rand((n_images, channels, 12, 14), generator=draw, dtype=torch.float64)


def shipped_test_split(dataset: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The 10,000 test images (n, 1, 28, 28) of an embedded data set, and their labels."""
    folder = ROOT / "data/embedded" / dataset
    images = lzma.decompress((folder / "t10k-images-idx3-ubyte.xz").read_bytes())
    labels = lzma.decompress((folder / "t10k-labels-idx1-ubyte.xz").read_bytes())
    return (
        np.frombuffer(images, np.uint8, offset=16).reshape(-1, 1, 28, 28).copy(),
        np.frombuffer(labels, np.uint8, offset=8).astype(np.int64),
    )
