"""Additivity does not depend on the scale of the activations inside a network."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from .networks import OURS_ALONE, SHAP_IS_RIGHT, build, images
from .test_torchvision import QUICK
from .zoo import ready, sums, sums_of

DOWN, UP = 1e-6, 1e6
SMALL = [
    "conv relu pool",
    "standardized",
    "residual",
    "squeeze and excitation",
    "silu, hardswish, hardsigmoid",
    "relu6, gelu by tanh",
    "pool ceil, overlapping",
]


@torch.no_grad()
def rescale(network: nn.Module) -> None:
    """Divide the first layer's weights by a million, and multiply the last layer's by a million.

    Biases stay, and are then much larger than anything that depends on the image.
    """
    layers = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    layers[0].weight *= DOWN
    layers[-1].weight *= UP


@pytest.mark.parametrize("name", SMALL)
def test_small_networks_add_up_with_tiny_activations(name: str) -> None:
    network = build({**SHAP_IS_RIGHT, **OURS_ALONE}[name], torch.float32)
    rescale(network)
    x, background = images(3, torch.float32), images(5, torch.float32, seed=2)
    assert sums_of(network, x, background, torch.float32).gap <= 2e-6


@pytest.mark.slow
@pytest.mark.parametrize("family", QUICK)
def test_networks_of_each_family_add_up_with_tiny_activations(family: str) -> None:
    network = ready(QUICK[family])
    rescale(network)
    assert sums(network, QUICK[family].side, torch.float32).gap <= 2e-6
