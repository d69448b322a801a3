"""Sampling at positions that depend on the images, as in deformable convolutions."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import DeformConv2d, deform_conv2d

from deepshap import DeepShap

from ..networks import Function

F64 = torch.float64


def images(n: int, seed: int, *shape: int) -> Tensor:
    return torch.rand(n, *shape, generator=torch.Generator().manual_seed(seed), dtype=F64)


def gap(network: nn.Module, x: Tensor, background: Tensor) -> float:
    """The error of additivity relative to the sum of absolute values."""
    values = DeepShap(network, background).attribute(x)
    with torch.no_grad():
        change = network(x) - network(background).mean(0)
    return float(((values.sum((1, 2, 3)) - change).abs() / values.abs().sum((1, 2, 3))).max())


def interpolated(plane: Tensor, right: float, down: float) -> float:
    """Bilinear interpolation between pixels; 0 outside of the plane."""
    total = 0.0
    for y in (math.floor(down), math.floor(down) + 1):
        for x in (math.floor(right), math.floor(right) + 1):
            if 0 <= y < plane.shape[0] and 0 <= x < plane.shape[1]:
                total += float(plane[y, x]) * (1 - abs(down - y)) * (1 - abs(right - x))
    return total


def test_image_and_coordinates_share_a_sample_by_their_mean_effects() -> None:
    """One sample: the first row is an image of 1 × 4, the second holds both coordinates."""

    def forward(net: nn.Module, x: Tensor) -> Tensor:
        grid = x[:, 0, 1, :2].view(-1, 1, 1, 2)
        return F.grid_sample(x[:, :, :1], grid, align_corners=True).flatten(1)

    x, b = images(2, 0, 1, 2, 4) * 2 - 1
    found = DeepShap(Function(forward).eval(), b[None]).attribute(x[None])[0, 0, ..., 0]
    mean = (x + b)[0, :1] / 2
    (right, right_b), (down, down_b) = ((1.5 * (1 + x[0, 1, 0]), 1.5 * (1 + b[0, 1, 0])), (0, 0))
    # With one row, the vertical coordinate has no effect, as all positions map to row 0.
    effect = interpolated(mean, float(right), down) - interpolated(mean, float(right_b), down_b)
    expected = torch.zeros(2, 4, dtype=F64)
    expected[1, 0] = effect
    for at in range(4):
        unit = torch.zeros(1, 4)
        unit[0, at] = 1
        weights = [interpolated(unit, float(place), 0) for place in (right, right_b)]
        expected[0, at] = sum(weights) / 2 * float(x[0, 0, at] - b[0, 0, at])
    assert torch.allclose(found, expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
def test_a_spatial_transformer_adds_up(mode: str) -> None:
    def forward(net: nn.Module, x: Tensor) -> Tensor:
        theta = net.where(x.flatten(1)).view(-1, 2, 3) / 4 + torch.eye(2, 3, dtype=x.dtype)
        grid = F.affine_grid(theta, x.shape, align_corners=False)
        moved = F.grid_sample(x, grid, mode=mode, align_corners=False)
        return net.head(torch.relu(moved).flatten(1))

    torch.manual_seed(0)
    network = Function(forward, where=nn.Linear(50, 6), head=nn.Linear(50, 3)).eval().double()
    assert gap(network, images(2, 0, 2, 5, 5), images(3, 1, 2, 5, 5)) < 1e-14


def test_sampling_of_volumes_adds_up() -> None:
    def forward(net: nn.Module, x: Tensor) -> Tensor:
        grid = x[:, :, :, :3].mean(1)[:, None, None, :, :] * 2 - 1
        return F.grid_sample(x.unsqueeze(1), grid, align_corners=False).flatten(1)

    assert gap(Function(forward).eval(), images(2, 0, 2, 5, 5), images(3, 1, 2, 5, 5)) < 1e-14


@pytest.mark.parametrize("masked", [False, True], ids=["", "masked"])
@pytest.mark.parametrize("offset_groups", [1, 2])
def test_a_deformable_convolution_adds_up(masked: bool, offset_groups: int) -> None:
    def forward(net: nn.Module, x: Tensor) -> Tensor:
        mask = torch.sigmoid(net.mask(x)) if masked else None
        return net.head(net.deformed(x, 2 * net.offset(x), mask).flatten(1))

    torch.manual_seed(0)
    taps = 6 * offset_groups
    shape = {"kernel_size": (2, 3), "stride": 2, "padding": (1, 0)}
    network = Function(
        forward,
        offset=nn.Conv2d(4, 2 * taps, **shape),
        mask=nn.Conv2d(4, taps, **shape),
        deformed=DeformConv2d(4, 6, groups=2, **shape),
        head=nn.Linear(6 * 4 * 3, 3),
    )
    network.eval().double()
    assert gap(network, images(2, 0, 4, 6, 7), images(3, 1, 4, 6, 7)) < 1e-14


def test_a_deformable_convolution_with_fixed_offsets_is_linear() -> None:
    """Its multiplier is the Jacobian of torchvision's own operation."""
    weight, offset = images(3, 2, 2, 3, 3) - 0.5, 3 * images(1, 3, 18, 3, 4) - 1.5

    def forward(net: nn.Module, x: Tensor) -> Tensor:
        return deform_conv2d(x, offset.expand(len(x), -1, -1, -1), weight).flatten(1)

    x, background = images(1, 0, 2, 5, 6), images(2, 1, 2, 5, 6)
    found = DeepShap(Function(forward).eval(), background).attribute(x)[0]
    jacobian = torch.autograd.functional.jacobian(lambda image: forward(nn.Identity(), image)[0], x)
    expected = jacobian[:, 0].movedim(0, -1) * (x - background.mean(0, True))[0].unsqueeze(-1)
    assert torch.allclose(found, expected, rtol=0, atol=1e-13)
