"""Normalisations over the image's own values, against the table's formula in fifty digits."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .exact import mp, standardised, unit_length, vector
from .rows import KINDS, check, pairs

WIDTH, EPSILON = 6, 1e-5
GENERATOR = torch.Generator().manual_seed(3)
WEIGHT, BIAS = torch.randn(2, WIDTH, generator=GENERATOR, dtype=torch.float64)
N_ROWS = len(KINDS)
Operation = Callable[[Tensor], Tensor]


def by_hand(x: Tensor) -> Tensor:
    variance, mean = torch.var_mean(x[:, 0], -1, correction=0, keepdim=True)
    return (x[:, 0] - mean) / torch.sqrt(variance + EPSILON)


WITHOUT_WEIGHTS: dict[str, Operation] = {
    "layer norm": lambda x: F.layer_norm(x[:, 0], (WIDTH,), eps=EPSILON),
    "layer norm over two axes": lambda x: F.layer_norm(
        x[:, 0].unflatten(-1, (2, 3)), (2, 3), eps=EPSILON
    ),
    "group norm": lambda x: F.group_norm(
        x[:, 0].reshape(len(x), 2 * N_ROWS, 3), N_ROWS, eps=EPSILON
    ),
    "group norm of images": lambda x: F.group_norm(
        x[:, 0].reshape(len(x), N_ROWS, 2, 3), N_ROWS, eps=EPSILON
    ),
    "instance norm": lambda x: F.instance_norm(x[:, 0].reshape(len(x), N_ROWS, 2, 3), eps=EPSILON),
}


@pytest.mark.parametrize("name", WITHOUT_WEIGHTS)
def test_norms_without_weights_follow_the_formula(name: str) -> None:
    ones, zeros = [mp.mpf(1)] * WIDTH, [mp.mpf(0)] * WIDTH
    check(WITHOUT_WEIGHTS[name], standardised(ones, zeros, EPSILON), pairs(1, WIDTH))


WITH_WEIGHTS: dict[str, Operation] = {
    "layer norm": lambda x: F.layer_norm(x[:, 0], (WIDTH,), WEIGHT, BIAS, EPSILON),
    "layer norm over two axes": lambda x: F.layer_norm(
        x[:, 0].unflatten(-1, (2, 3)), (2, 3), WEIGHT.view(2, 3), BIAS.view(2, 3), EPSILON
    ),
    "layer norm, channels last": lambda x: F.layer_norm(
        x[:, 0].mT.transpose(-1, -2), (WIDTH,), WEIGHT, BIAS, EPSILON
    ),
}


@pytest.mark.parametrize("name", WITH_WEIGHTS)
def test_norms_with_weights_follow_the_formula(name: str) -> None:
    rule = standardised(vector(WEIGHT), vector(BIAS), EPSILON)
    check(WITH_WEIGHTS[name], rule, pairs(1, WIDTH))


@pytest.mark.parametrize("module", [nn.GroupNorm, nn.InstanceNorm2d], ids=["group", "instance"])
def test_weights_of_channels_scale_them(module: type[nn.Module]) -> None:
    """A row is a channel, or a group of one; the weight is the same for all its elements."""
    arguments = (N_ROWS, N_ROWS) if module is nn.GroupNorm else (N_ROWS,)
    norm = module(*arguments, eps=EPSILON, affine=True).double().requires_grad_(False)
    norm.weight.fill_(-1.75)
    norm.bias.fill_(0.5)
    rule = standardised([mp.mpf(-1.75)] * WIDTH, [mp.mpf(0.5)] * WIDTH, EPSILON)
    check(lambda x: norm(x[:, 0].reshape(len(x), N_ROWS, 2, 3)), rule, pairs(1, WIDTH))


@pytest.mark.parametrize("epsilon", [EPSILON, None], ids=["given", "default"])
def test_rms_norm_follows_the_formula_without_the_mean(epsilon: float | None) -> None:
    used = torch.finfo(torch.float64).eps if epsilon is None else epsilon
    rule = standardised(vector(WEIGHT), [mp.mpf(0)] * WIDTH, used, centred=False)
    check(lambda x: F.rms_norm(x[:, 0], (WIDTH,), WEIGHT, epsilon), rule, pairs(1, WIDTH))


@pytest.mark.parametrize("epsilon", [1e-12, 1e-3], ids=["not reached", "reached"])
def test_normalize_follows_the_formula_with_a_smallest_length(epsilon: float) -> None:
    rule = unit_length(epsilon)
    check(lambda x: F.normalize(x[:, 0], dim=-1, eps=epsilon), rule, pairs(1, WIDTH))
