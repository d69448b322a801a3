"""A softmax inside a network follows the formula in the README, in fifty digits."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from . import exact
from .exact import Matrix, Rule, Vector
from .rows import KINDS, Operation, check, pairs

WIDTH = 6
Function = Callable[[Tensor], Tensor]

FUNCTIONS: dict[str, tuple[Function, Rule]] = {
    "softmax": (lambda x: torch.softmax(x, -1), exact.softmax()),
    "log_softmax": (lambda x: torch.log_softmax(x, -1), exact.log_softmax()),
}


def inner(function: Function) -> Function:
    """The function followed by the identity, so that it is not the network's last operation."""
    return lambda x: function(x) * 1.0 + 0.0


def scaled(rule: Rule, scale: float, offsets: Vector) -> Rule:
    """The rule after multiplication by `scale` and addition of `offsets`."""

    def logits(x: Vector) -> Vector:
        return [scale * u + offset for u, offset in zip(x, offsets, strict=True)]

    def multipliers(x: Vector, b: Vector) -> Matrix:
        return [[scale * m for m in row] for row in rule.multipliers(logits(x), logits(b))]

    return Rule(lambda x: rule.function(logits(x)), multipliers)


@pytest.mark.parametrize("scale", [1.0, 64.0, 4096.0], ids=["moderate", "large", "huge"])
def test_an_inner_softmax_follows_the_formula_at_any_scale(scale: float) -> None:
    def case(function: Function, rule: Rule) -> tuple[Operation, Rule]:
        zeros = [exact.mp.mpf(0)] * WIDTH
        return inner(lambda x: function(x[:, 0] * scale)), scaled(rule, scale, zeros)

    cases = {name: case(function, rule) for name, (function, rule) in FUNCTIONS.items()}
    check(cases, pairs(1, WIDTH), size=scale)


def test_masked_logits_are_ignored() -> None:
    mask = torch.zeros(WIDTH, dtype=torch.float64)
    mask[1], mask[4] = -math.inf, -math.inf
    offsets = [exact.mp.mpf(0) if kept == 0 else -exact.mp.inf for kept in mask.tolist()]
    rule = scaled(exact.softmax(), 2, offsets)
    operation = inner(lambda x: torch.softmax(2 * x[:, 0] + mask, -1))
    check({"added": (operation, rule)}, pairs(1, WIDTH))


def test_logits_filled_by_a_constant_mask_are_ignored() -> None:
    mask = torch.tensor([False, True, False, False, True, False])
    offsets = [-exact.mp.inf if masked else exact.mp.mpf(0) for masked in mask.tolist()]
    rule = scaled(exact.softmax(), 1, offsets)
    operation = inner(lambda x: torch.softmax(x[:, 0].masked_fill(mask, -math.inf), -1))
    check({"filled": (operation, rule)}, pairs(1, WIDTH))


def test_softmax_along_another_axis() -> None:
    def operation(x: Tensor) -> Tensor:
        return torch.softmax(x.mT, 2)[:, 0].mT

    check({"transposed": (inner(operation), exact.softmax())}, pairs(1, WIDTH))


def test_an_unchanged_logit_still_changes_its_probability() -> None:
    """shap explains each probability through its own logit, so it misses this change."""
    x, b = pairs(1, WIDTH)
    unchanged = KINDS.index("partly equal")
    assert x[0, 0, unchanged, 0] == b[0, 0, unchanged, 0]
    rule = exact.softmax()
    u, w = (exact.vector(t[0, 0, unchanged]) for t in (x, b))
    assert abs(rule.change(u, w)[0]) > 1e-2
    check({"softmax": (inner(lambda x: torch.softmax(x[:, 0], -1)), rule)}, (x, b))


def test_no_multiplier_exceeds_one() -> None:
    x, b = (exact.vector(t * 64) for t in pairs(1, 60))
    for at in range(0, len(x), WIDTH):
        rows = exact.softmax().multipliers(x[at : at + WIDTH], b[at : at + WIDTH])
        assert max(abs(m) for row in rows for m in row) <= 1
