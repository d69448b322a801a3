"""Features of images: the input of a network's last layer with weights."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from stages.artifacts.features import TrainingFeatures
from stages.networks.predict import predict_batches

MOST_TRAINING = 500  # images
MOST_TEST = 2000  # images
MOST_VALUES = 500_000  # features of all training images together; the explorer page holds them

# Operations that multiply their first argument by weights, with the axis of its features.
_LAYERS: dict[Any, int] = {
    functional.linear: -1,
    torch.matmul: -1,
    torch.Tensor.matmul: -1,
    torch.Tensor.__matmul__: -1,
    torch.conv1d: 1,
    torch.conv2d: 1,
    torch.conv3d: 1,
}


class FeatureExtractor(nn.Module):
    """Maps images (n, c, h, w) to features (n, d).

    Features at several positions, as before a 1×1 convolution, are averaged over the positions. A
    network without layers that take a row or map for each image gives its outputs.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """The features of the images."""
        with _LastInput(len(images)) as last:
            outputs: Tensor = self.network(images)
        features = outputs if last.input is None else last.input.movedim(last.axis, 1)
        return features.flatten(2).mean(dim=2) if features.ndim > 2 else features


class _LastInput(TorchFunctionMode):
    """Keeps what the last layer with weights reads, if it is one entry for each of n images."""

    def __init__(self, n_images: int) -> None:
        super().__init__()
        self.n_images = n_images
        self.input: Tensor | None = None
        self.axis = 1  # of the features

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func in _LAYERS and args[0].ndim > 1 and len(args[0]) == self.n_images:
            self.input, self.axis = args[0], _LAYERS[func]
        return func(*args, **(kwargs or {}))


def features_of(
    network: nn.Module, images: NDArray[np.uint8], device: torch.device
) -> NDArray[np.float64]:
    """Features (n, d) of images (n, c, h, w) by a network on `device`."""
    batches = predict_batches(FeatureExtractor(network), torch.from_numpy(images), device)
    return torch.cat([batch.cpu() for batch in batches]).double().numpy()


def measure_features(
    network: nn.Module,
    training: NDArray[np.uint8],
    test: NDArray[np.uint8],
    device: torch.device,
) -> TrainingFeatures:
    """Features of training images, and the distances of test images; of both, evenly spread ones.

    Args:
        network: In eval mode, on `device`.
        training: Training images (n, c, h, w).
        test: Test images (m, c, h, w).
        device: Where the network computes.
    """
    n_features = features_of(network, _spread(training, 1), device).shape[1]
    n_training = min(MOST_TRAINING, max(1, MOST_VALUES // n_features))
    return TrainingFeatures.of(
        features_of(network, _spread(training, n_training), device),
        features_of(network, _spread(test, MOST_TEST), device),
    )


def _spread(images: NDArray[np.uint8], most: int) -> NDArray[np.uint8]:
    """At most so many of the images, evenly spaced."""
    n = min(most, len(images))
    return images[np.arange(n) * len(images) // n]
