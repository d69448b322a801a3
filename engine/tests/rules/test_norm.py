"""Norms over the values of one image follow the formula in the README, in fifty digits."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .exact import Rule, mp, standardised, unit_length, vector
from .rows import KINDS, Operation, check, pairs

WIDTH, EPSILON = 6, 1e-5
GENERATOR = torch.Generator().manual_seed(3)
WEIGHT, BIAS = torch.randn(2, WIDTH, generator=GENERATOR, dtype=torch.float64)
N_ROWS = len(KINDS)


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


def test_norms_without_weights_follow_the_formula() -> None:
    rule = standardised([mp.mpf(1)] * WIDTH, [mp.mpf(0)] * WIDTH, EPSILON)
    check({name: (norm, rule) for name, norm in WITHOUT_WEIGHTS.items()}, pairs(1, WIDTH))


WITH_WEIGHTS: dict[str, Operation] = {
    "layer norm": lambda x: F.layer_norm(x[:, 0], (WIDTH,), WEIGHT, BIAS, EPSILON),
    "layer norm over two axes": lambda x: F.layer_norm(
        x[:, 0].unflatten(-1, (2, 3)), (2, 3), WEIGHT.view(2, 3), BIAS.view(2, 3), EPSILON
    ),
    "layer norm, channels last": lambda x: F.layer_norm(
        x[:, 0].mT.transpose(-1, -2), (WIDTH,), WEIGHT, BIAS, EPSILON
    ),
}


def test_norms_with_weights_follow_the_formula() -> None:
    rule = standardised(vector(WEIGHT), vector(BIAS), EPSILON)
    check({name: (norm, rule) for name, norm in WITH_WEIGHTS.items()}, pairs(1, WIDTH))


def test_channel_weights_scale_their_channels() -> None:
    """Each row is a channel or a group of one channel, with one weight for all its elements."""
    rule = standardised([mp.mpf(-1.75)] * WIDTH, [mp.mpf(0.5)] * WIDTH, EPSILON)

    def operation(norm: nn.Module) -> Operation:
        norm.double().requires_grad_(False)
        norm.weight.fill_(-1.75)
        norm.bias.fill_(0.5)
        return lambda x: norm(x[:, 0].reshape(len(x), N_ROWS, 2, 3))

    cases = {
        "group norm": nn.GroupNorm(N_ROWS, N_ROWS, EPSILON),
        "instance norm": nn.InstanceNorm2d(N_ROWS, EPSILON, affine=True),
    }
    check({name: (operation(norm.eval()), rule) for name, norm in cases.items()}, pairs(1, WIDTH))


def test_rms_norm_follows_the_formula_without_the_mean() -> None:
    def case(epsilon: float, given: float | None) -> tuple[Operation, Rule]:
        rule = standardised(vector(WEIGHT), [mp.mpf(0)] * WIDTH, epsilon, centred=False)
        return lambda x: F.rms_norm(x[:, 0], (WIDTH,), WEIGHT, given), rule

    smallest = torch.finfo(torch.float64).eps
    check({"given": case(EPSILON, EPSILON), "default": case(smallest, None)}, pairs(1, WIDTH))


def test_normalize_follows_the_formula_with_a_minimum_length() -> None:
    def case(epsilon: float) -> tuple[Operation, Rule]:
        return lambda x: F.normalize(x[:, 0], dim=-1, eps=epsilon), unit_length(epsilon)

    check({"not reached": case(1e-12), "reached": case(1e-3)}, pairs(1, WIDTH))
