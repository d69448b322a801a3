"""Features of the last hidden layer, and pictures that are far from the training images."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors
from torch import Tensor, nn
from torch.nn import functional

from stages.artifacts.features import FAR, N_NEIGHBOURS, TrainingFeatures
from stages.measures.predictions.base.features import (
    FeatureExtractor,
    features_of,
    measure_features,
)
from tests.digits import N_TRAINING, embedded, quick_network

CPU = torch.device("cpu")


class ByHand(nn.Module):
    """Weights without a module."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2, 12))

    def forward(self, images: Tensor) -> Tensor:
        return functional.linear(images.flatten(1), self.weight)


def test_features_are_the_input_of_the_last_layer() -> None:
    torch.manual_seed(0)
    images = torch.rand(5, 3, 2, 2)
    body = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU())
    maps = body(images)
    for head, expected in (
        (nn.Sequential(nn.Flatten(), nn.Linear(16, 2)), maps.flatten(1)),
        (nn.Sequential(nn.Conv2d(4, 2, 1), nn.AdaptiveAvgPool2d(1)), maps.mean(dim=(2, 3))),
        (nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()), images.mean(dim=(2, 3))),
    ):
        found = FeatureExtractor(nn.Sequential(body, head))(images)
        torch.testing.assert_close(found, expected)
    torch.testing.assert_close(FeatureExtractor(ByHand())(images), images.flatten(1))
    torch.testing.assert_close(FeatureExtractor(nn.Flatten())(images), images.flatten(1))


def test_tokens_are_averaged() -> None:
    tokens = torch.rand(4, 6, 3)
    network = nn.Sequential(nn.Linear(3, 2), nn.Flatten())
    torch.testing.assert_close(FeatureExtractor(network)(tokens), tokens.mean(dim=1))


def test_distances_are_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    training, test = rng.normal(size=(40, 8)), rng.normal(size=(200, 8))
    features = TrainingFeatures.of(training, test)
    oracle = NearestNeighbors(n_neighbors=N_NEIGHBOURS, metric="cosine").fit(training)
    exact = oracle.kneighbors(test)[0].mean(axis=1)
    np.testing.assert_allclose(features.distances(test), exact, atol=0.01)  # 8 bits
    np.testing.assert_allclose(features.quantiles, np.percentile(exact, range(101)), atol=0.01)
    percent = [
        features.percent_nearer(distance) for distance in (-1, features.quantiles[50] + 1e-9, 3)
    ]
    assert percent == [0, 50, 100]


def test_few_images_and_features_of_zeros() -> None:
    features = TrainingFeatures.of(np.zeros((2, 3)), np.ones((1, 3)))
    np.testing.assert_array_equal(features.distances(np.zeros((1, 3))), 1)


def flagged(features: TrainingFeatures, images: NDArray[np.uint8]) -> float:
    distances = features.distances(features_of(quick_network(), images, CPU))
    return float(np.mean([features.percent_nearer(distance) >= FAR for distance in distances]))


def test_images_unlike_any_training_image_are_recognised() -> None:
    """Of digits that calibrated nothing 1 % are flagged, of other images most."""
    test = embedded("mnist/t10k", 4000)
    features = measure_features(
        quick_network(), embedded("mnist/train", N_TRAINING), test[:2000], CPU
    )
    rng = np.random.default_rng(0)
    assert flagged(features, test[2000:]) == pytest.approx(0.01, abs=0.01)
    assert flagged(features, embedded("fashion_mnist/t10k", 1000)) > 0.7
    assert flagged(features, rng.integers(0, 256, (200, 1, 28, 28), np.uint8)) > 0.95
    assert flagged(features, 255 - test[:500]) > 0.95
