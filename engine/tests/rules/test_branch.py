"""Operations that join two branches, and maxima, follow their formulas in fifty digits."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from . import exact
from .exact import Rule, matrix_product, mp, shapley
from .rows import Operation, check, pairs


def apart_from_zero(x: Tensor) -> Tensor:
    """Divisors: at least 1/4 from zero, except very small ones, which stay small."""
    return torch.where(x.abs() < 1e-5, x.abs() + 2**-27, x.sign() * (x.abs() + 0.25))


Join = Callable[[Tensor, Tensor], Tensor]

PRODUCTS: dict[str, Join] = {
    "mul": lambda u, v: u * v,
    "einsum": lambda u, v: torch.einsum("nrw,nrw->nrw", u, v),
    "addcmul": lambda u, v: torch.addcmul(torch.zeros(6, dtype=u.dtype), u, v),
    "in place": lambda u, v: u.clone().mul_(v),
}


def joining(function: Join) -> Operation:
    return lambda x: function(x[:, 0], x[:, 1])


def test_a_factor_gets_its_change_times_the_mean_of_the_other() -> None:
    cases = {name: (joining(function), exact.PRODUCT) for name, function in PRODUCTS.items()}
    check(cases, pairs(2, 6))


MATRIX_PRODUCTS: dict[str, Join] = {
    "matmul": lambda u, v: u @ v,
    "bmm": lambda u, v: torch.bmm(u.flatten(0, 1), v.flatten(0, 1)).unflatten(0, u.shape[:2]),
    "einsum": lambda u, v: torch.einsum("nrij,nrjk->nrik", u, v),
    "broadcast": lambda u, v: (u.unsqueeze(-1) * v.unsqueeze(-3)).sum(-2),
    "baddbmm": lambda u, v: torch.baddbmm(
        torch.zeros(1, 2, 2, dtype=u.dtype), u.flatten(0, 1), v.flatten(0, 1)
    ).unflatten(0, u.shape[:2]),
}


def test_matrix_products_are_sums_of_products() -> None:
    def operation(function: Join) -> Operation:
        return lambda x: function(x[:, 0].unflatten(-1, (2, 3)), x[:, 1].unflatten(-1, (3, 2)))

    rule = matrix_product(2, 3, 2)
    check({name: (operation(f), rule) for name, f in MATRIX_PRODUCTS.items()}, pairs(2, 6))


def test_a_branch_times_itself_is_a_square() -> None:
    square = exact.elementwise(lambda t: t**2)
    check({"times itself": (lambda x: x[:, 0] * x[:, 0], square)}, pairs(1, 6))


def test_a_quotient_shares_its_change_between_dividend_and_divisor() -> None:
    x, b = (torch.stack([t[:, 0], apart_from_zero(t[:, 1])], 1) for t in pairs(2, 6))
    check({"div": (joining(torch.div), exact.QUOTIENT)}, (x, b))


EXTREMA: dict[str, tuple[Join, Rule]] = {
    "maximum": (torch.maximum, shapley(max)),
    "minimum": (torch.minimum, shapley(min)),
    "max": (lambda u, v: u.max(v), shapley(max)),
    "min": (torch.min, shapley(min)),
    "fmax": (torch.fmax, shapley(max)),
    "fmin": (torch.fmin, shapley(min)),
    "greater": (lambda u, v: (u > v).double(), shapley(lambda u, v: mp.mpf(u > v))),
    "not greater": (lambda u, v: (u <= v).double(), shapley(lambda u, v: mp.mpf(u <= v))),
}


def test_an_extremum_of_two_branches_is_shared_by_shapley_values() -> None:
    check({name: (joining(f), rule) for name, (f, rule) in EXTREMA.items()}, pairs(2, 6))


def test_other_functions_of_two_branches_are_shared_by_shapley_values() -> None:
    cases = {
        "atan2": (torch.atan2, shapley(mp.atan2)),
        "power": (lambda u, v: (u.abs() + 1) ** v, shapley(lambda u, v: (abs(u) + 1) ** v)),
    }
    x, b = (torch.stack([t[:, 0].abs() + 0.25, t[:, 1]], 1) for t in pairs(2, 6))
    bounds = {"nearly equal": 1e-7, "small": 1e-7}  # what subtraction leaves of float64
    check({name: (joining(f), rule) for name, (f, rule) in cases.items()}, (x, b), bounds)


MAXIMA: dict[str, Operation] = {
    "amax": lambda x: x[:, 0].amax(-1),
    "max along an axis": lambda x: x[:, 0].max(dim=-1).values,
    "amax, axis kept": lambda x: x[:, 0].amax(2, keepdim=True),
    "global max pool": lambda x: F.adaptive_max_pool2d(x[:, 0].unsqueeze(-2), 1),
    "max pool along an axis": lambda x: F.max_pool2d(x, (1, 6)),
    "max pool of volumes": lambda x: F.max_pool3d(x[:, 0].unflatten(-1, (3, 2, 1)), (3, 2, 1)),
    "global max pool of volumes": lambda x: F.adaptive_max_pool3d(
        x[:, 0].unflatten(-1, (3, 1, 2)), 1
    ),
    "global max pool of rows": lambda x: F.adaptive_max_pool1d(x[:, 0], 1),
    "maximum norm": lambda x: torch.linalg.vector_norm(x[:, 0] + 100, ord=torch.inf, dim=-1) - 100,
}


def test_the_change_of_a_maximum_goes_to_the_positions_of_both_sides() -> None:
    check({name: (function, exact.largest()) for name, function in MAXIMA.items()}, pairs(1, 6))


def test_the_change_of_a_minimum_goes_to_the_positions_of_both_sides() -> None:
    lowest = exact.largest()
    rule = Rule(
        lambda x: [-y for y in lowest.function([-u for u in x])],
        lambda x, b: lowest.multipliers([-u for u in x], [-w for w in b]),
    )
    cases = {"amin": lambda x: x[:, 0].amin(-1), "min": lambda x: x[:, 0].min(-1).values}
    check({name: (function, rule) for name, function in cases.items()}, pairs(1, 6))
