"""Attributions add up to the change of the output, within rounding, for every network."""

import pytest
import torch
from torch import nn

from .networks import NETWORKS, explainer_of, images, shared

pytestmark = pytest.mark.usefixtures("checked_shapes")

BOUND = {torch.float32: 1e-5, torch.float64: 1e-10}


def gap(network: nn.Module, x: torch.Tensor, background: torch.Tensor) -> float:
    """The largest error of additivity, relative to the range of the outputs."""
    values = explainer_of(network, background).attribute(x)
    with torch.no_grad():
        outputs, base_outputs = network(x), network(background)
    error = values.sum((1, 2, 3)) - (outputs - base_outputs.mean(0))
    all_outputs = torch.cat([outputs, base_outputs])
    return float(error.abs().max() / (all_outputs.max() - all_outputs.min()))


@pytest.mark.parametrize("dtype", BOUND)
@pytest.mark.parametrize("name", NETWORKS)
def test_logits_add_up(name: str, dtype: torch.dtype) -> None:
    network = shared(name, dtype)
    assert gap(network, images(4, dtype), images(9, dtype, seed=2)) < BOUND[dtype]


@pytest.mark.parametrize("last", [nn.Softmax(1), nn.LogSoftmax(-1)], ids=["softmax", "log"])
@pytest.mark.parametrize("dtype", BOUND)
@pytest.mark.parametrize(
    "name",
    [
        "conv relu pool",
        "residual",
        *[pytest.param(name, marks=pytest.mark.slow) for name in ("functional", "branches")],
    ],
)
def test_probabilities_add_up(name: str, dtype: torch.dtype, last: nn.Module) -> None:
    network = nn.Sequential(shared(name, dtype), last).eval()
    assert gap(network, images(4, dtype), images(9, dtype, seed=2)) < BOUND[dtype]


@pytest.mark.parametrize("name", NETWORKS)
def test_images_of_whole_numbers_add_up(name: str) -> None:
    """Many pixels equal those of the background, which uses every rule for changes near zero."""
    network = shared(name, torch.float64)
    x, background = (images(n, torch.float64, n).mul(3).round() / 2 for n in (3, 8))
    assert gap(network, x, background) < 1e-10


@pytest.mark.parametrize("name", NETWORKS)
def test_a_background_image_gets_finite_values(name: str) -> None:
    network = shared(name, torch.float32)
    background = images(5, torch.float32)
    assert gap(network, background[1:2], background) < 1e-5
    alone = explainer_of(network, background[:1]).attribute(background[:1])
    assert torch.equal(alone, torch.zeros_like(alone))
