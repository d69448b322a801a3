"""Additivity is relative: it holds at whatever scale a network computes inside."""

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
    """Bring the first layer's weights to a millionth, the last one's to a million times theirs.

    Biases stay, and outweigh by far what still depends on the image.
    """
    layers = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    layers[0].weight *= DOWN
    layers[-1].weight *= UP


@pytest.mark.parametrize("name", SMALL)
def test_small_networks_add_up_when_they_compute_with_millionths(name: str) -> None:
    network = build({**SHAP_IS_RIGHT, **OURS_ALONE}[name], torch.float32)
    rescale(network)
    x, background = images(3, torch.float32), images(5, torch.float32, seed=2)
    assert sums_of(network, x, background, torch.float32).gap <= 2e-6


@pytest.mark.slow
@pytest.mark.parametrize("family", QUICK)
def test_networks_of_each_family_add_up_when_they_compute_with_millionths(family: str) -> None:
    network = ready(QUICK[family])
    rescale(network)
    assert sums(network, QUICK[family].side, torch.float32).gap <= 2e-6
