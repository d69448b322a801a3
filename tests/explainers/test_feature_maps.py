"""Which layer the class activation maps read, and how coarse maps are enlarged."""

import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates
from torch import Tensor, nn

from stages.base.errors.user import UserError
from stages.explainers.base.feature_maps import enlarge, feature_layer

IMAGE = torch.zeros(1, 1, 12, 14)


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ([nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(60, 3)], 1),
        ([nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.AdaptiveAvgPool2d(1)], 2),
        ([nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Conv2d(2, 2, 3), nn.Flatten()], 2),
        # Maps of a single pixel show no place.
        ([nn.Conv2d(1, 2, 3), nn.Tanh(), nn.AdaptiveAvgPool2d(1), nn.Conv2d(2, 3, 1)], 1),
    ],
)
def test_the_layer_is_the_last_of_the_shape_of_the_last_convolution(
    layers: list[nn.Module], expected: int
) -> None:
    network = nn.Sequential(*layers).eval()
    assert feature_layer(network, IMAGE) is layers[expected]


def test_a_block_whose_sum_is_not_a_layer_counts_as_a_whole() -> None:
    class Residual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Conv2d(2, 2, 3, padding=1)

        def forward(self, features: Tensor) -> Tensor:
            return (features + self.body(features)).relu()

    block = Residual()
    network = nn.Sequential(nn.Conv2d(1, 2, 3), block, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    assert feature_layer(network, IMAGE) is block


def test_a_network_without_convolutions_is_refused() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(168, 3))
    with pytest.raises(
        UserError, match=r"^Sequential: needs feature maps, but no convolution .*; "
    ):
        feature_layer(network, IMAGE)


def test_maps_are_enlarged_by_bilinear_interpolation_between_centres() -> None:
    """Against SciPy's interpolation at the same places."""
    coarse = torch.rand(2, 1, 3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    fine = enlarge(coarse, torch.Size((2, 3, 12, 14)))
    assert fine.shape == (2, 3, 12, 14)
    rows, columns = ((np.arange(n) + 0.5) * m / n - 0.5 for n, m in ((12, 3), (14, 4)))
    places = np.meshgrid(rows, columns, indexing="ij")
    for image, values in zip(coarse[:, 0].numpy(), fine.numpy(), strict=True):
        expected = map_coordinates(image, places, order=1, mode="nearest")
        for channel in values:
            np.testing.assert_allclose(channel * (3 * 12 * 14) / (3 * 4), expected, atol=1e-12)


def test_an_even_map_keeps_its_sum() -> None:
    fine = enlarge(torch.full((1, 1, 5, 5), 2.0), torch.Size((1, 3, 28, 28)))
    assert fine.sum().item() == pytest.approx(50, rel=1e-6)
