"""Volumes (n, c, d, h, w), as of a scanner, are explained as images are."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from deepshap import DeepShap

from .networks import Function
from .rules import literal

pytestmark = pytest.mark.usefixtures("checked_shapes")
F64 = torch.float64


def volumes(n: int, seed: int, dtype: torch.dtype = F64) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(n, 1, 6, 8, 7, generator=generator, dtype=dtype)


def whole_rows(height: int, width: int) -> list:
    return [((i, 0), [(i, j) for j in range(width)]) for i in range(height)]


def encoder() -> nn.Module:
    """A network for volumes as people write them."""
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv3d(1, 4, 3, padding=1),
        nn.BatchNorm3d(4),
        nn.ReLU(inplace=True),
        nn.MaxPool3d(2),
        nn.Conv3d(4, 6, 3, stride=2, padding=1),
        nn.InstanceNorm3d(6, affine=True),
        nn.PReLU(),
        nn.AdaptiveAvgPool3d(1),
        nn.Flatten(),
        nn.Dropout(),
        nn.Linear(6, 9),  # more outputs than features
    )
    return network.eval()


@pytest.mark.parametrize(("dtype", "bound"), [(torch.float32, 2e-6), (F64, 1e-14)])
def test_attributions_of_volumes_add_up(dtype: torch.dtype, bound: float) -> None:
    network = encoder()
    x, background = volumes(2, 0, dtype), volumes(12, 1, dtype)
    network.double()
    change = network(x.double()) - network(background.double()).mean(0)
    explainer = DeepShap(network.to(dtype), background)
    values, groups = explainer.attribute_by_group(x)
    assert values.shape == (2, 1, 6, 8, 7, 9)
    assert groups.shape == (2, 10, 6, 8, 7, 9)
    error = (values.sum((1, 2, 3, 4)) - change).abs()
    assert bool((error <= bound * values.abs().sum((1, 2, 3, 4))).all())
    sizes = torch.tensor([len(group) for group in background.tensor_split(10)])
    weighted = (groups * sizes[:, None, None, None, None]).sum(1) / 12
    assert torch.allclose(weighted, values.sum(1), atol=1e-6)
    few = explainer.attribute(x, [7, 2])
    assert torch.allclose(few, values[..., [7, 2]], atol=1e-6)


def test_a_small_network_follows_a_literal_implementation() -> None:
    """With each window in a row of its own, max pooling of volumes is max pooling of rows."""
    torch.manual_seed(0)
    layers = {"first": nn.Conv3d(1, 2, 2), "head": nn.Linear(2 * 2 * 3 * 3, 2)}
    network = Function(
        lambda net, x: net.head(F.max_pool3d(net.first(x), (2, 2, 2), 2).flatten(1)), **layers
    )
    network.eval().double().requires_grad_(False)
    x, background = (volumes(n, n)[..., :7] for n in (2, 3))

    def windows_last(planes: Tensor) -> Tensor:
        """(n, c, d, h, w) -> (n, c, windows, elements), of windows of 2 × 2 × 2."""
        cut = planes[:, :, :4, :6, :6].unfold(2, 2, 2).unfold(3, 2, 2).unfold(4, 2, 2)
        return cut.flatten(5).flatten(2, 4)

    def pairs(pair: literal.Pair) -> literal.Pair:
        pair = literal.linear(lambda x: windows_last(network.first(x)), pair)
        pair = literal.max_pool(pair, whole_rows)
        return literal.linear(lambda x: network.head(x.flatten(1)), pair)

    expected = literal.attribute(pairs, x, background)
    found = DeepShap(network, background).attribute(x)
    assert torch.allclose(found, expected, rtol=0, atol=1e-12 * float(expected.abs().max()))
