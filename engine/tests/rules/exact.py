"""A second implementation of the rules, for one vector and one pair, in fifty digits.

Every rule has a function and the multipliers of all its outputs. With fifty digits, small, large
and nearly equal numbers need no special care, so each formula is written as in its source. Two
branches are passed as one vector: the first branch, then the second.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import mpmath
import torch
from torch import Tensor

mp = mpmath.mp.clone()
mp.dps = 50

Number = Any  # mpmath has no types
Vector = list[Number]
Matrix = list[Vector]


@dataclass(frozen=True)
class Rule:
    """A function of one vector, with its multipliers between an image and a background image.

    Attributes:
        function: The outputs of a vector.
        multipliers: One row per output, one number per input.
    """

    function: Callable[[Vector], Vector]
    multipliers: Callable[[Vector, Vector], Matrix]

    def attributions(self, x: Vector, b: Vector) -> Matrix:
        """m (x - b), one row per output, one number per input."""
        return [
            [m * (u - w) for m, u, w in zip(row, x, b, strict=True)]
            for row in self.multipliers(x, b)
        ]

    def change(self, x: Vector, b: Vector) -> Vector:
        return [y - z for y, z in zip(self.function(x), self.function(b), strict=True)]


def vector(tensor: Tensor) -> Vector:
    """The numbers of a tensor, without rounding."""
    return [mp.mpf(number) for number in tensor.flatten().tolist()]


def tensor(rows: Sequence[Sequence[Number]]) -> Tensor:
    return torch.tensor([[float(number) for number in row] for row in rows], dtype=torch.float64)


def mean(values: Sequence[Number]) -> Number:
    return mp.fsum(values) / len(values)


def elementwise(function: Callable[[Number], Number]) -> Rule:
    """The rescale rule: the secant, or the slope where both inputs are equal."""
    step = mp.mpf(10) ** -20

    def secant(u: Number, w: Number) -> Number:
        if u == w:
            u, w = u + step, w - step
        return (function(u) - function(w)) / (u - w)

    def multipliers(x: Vector, b: Vector) -> Matrix:
        return diagonal([secant(u, w) for u, w in zip(x, b, strict=True)])

    return Rule(lambda x: [function(u) for u in x], multipliers)


def diagonal(values: Vector) -> Matrix:
    return [[value if i == j else 0 for j in range(len(values))] for i, value in enumerate(values)]


def halves(x: Vector) -> tuple[Vector, Vector]:
    return x[: len(x) // 2], x[len(x) // 2 :]


def two_branches(
    function: Callable[[Number, Number], Number],
    shares: Callable[[Number, Number, Number, Number], tuple[Number, Number]],
) -> Rule:
    """An element-wise function of two branches; `shares` returns both multipliers."""

    def multipliers(x: Vector, b: Vector) -> Matrix:
        n = len(x) // 2
        rows = []
        for i in range(n):
            row = [mp.mpf(0)] * 2 * n
            row[i], row[n + i] = shares(x[i], x[n + i], b[i], b[n + i])
            rows.append(row)
        return rows

    return Rule(lambda x: [function(u, v) for u, v in zip(*halves(x), strict=True)], multipliers)


PRODUCT = two_branches(lambda u, v: u * v, lambda u, v, u_b, v_b: ((v + v_b) / 2, (u + u_b) / 2))

QUOTIENT = two_branches(
    lambda u, v: u / v,
    lambda u, v, u_b, v_b: ((1 / v + 1 / v_b) / 2, -(u + u_b) / 2 / (v * v_b)),
)


def shapley(function: Callable[[Number, Number], Number]) -> Rule:
    """Each branch gets its mean effect over switching first and switching last."""

    def shares(u: Number, v: Number, u_b: Number, v_b: Number) -> tuple[Number, Number]:
        effect_u = (function(u, v) - function(u_b, v) + function(u, v_b) - function(u_b, v_b)) / 2
        effect_v = (function(u, v) - function(u, v_b) + function(u_b, v) - function(u_b, v_b)) / 2
        return (effect_u / (u - u_b) if u != u_b else 0), (effect_v / (v - v_b) if v != v_b else 0)

    return two_branches(function, shares)


def matrix_product(rows: int, inner: int, columns: int) -> Rule:
    """The product of a (rows, inner) and an (inner, columns) matrix, as sums of products."""

    def terms(i: int, j: int) -> list[tuple[int, int]]:
        """Indices of the factors of entry (i, j)."""
        return [(i * inner + s, rows * inner + s * columns + j) for s in range(inner)]

    entries = [terms(i, j) for i in range(rows) for j in range(columns)]

    def multipliers(x: Vector, b: Vector) -> Matrix:
        found = []
        for entry in entries:
            row = [mp.mpf(0)] * len(x)
            for u, v in entry:
                row[u], row[v] = (x[v] + b[v]) / 2, (x[u] + b[u]) / 2
            found.append(row)
        return found

    return Rule(
        lambda x: [mp.fsum(x[u] * x[v] for u, v in entry) for entry in entries], multipliers
    )


def largest() -> Rule:
    """The maximum; positions of both sides share its change by the cross-maximum, as in shap."""

    def multipliers(x: Vector, b: Vector) -> Matrix:
        at_x, at_b = x.index(max(x)), b.index(max(b))
        top, top_b = max(x), max(b)
        row = [mp.mpf(0)] * len(x)
        cross = max(top, top_b)
        for at, change in ((at_x, cross - top_b), (at_b, top - cross)):
            if x[at] != b[at]:
                row[at] += change / (x[at] - b[at])
        return [row]

    return Rule(lambda x: [max(x)], multipliers)


def standardised(weight: Vector, bias: Vector, epsilon: float, *, centred: bool = True) -> Rule:
    """Layer norm, or RMS norm if not `centred`; see the table of rules in the README."""
    size = len(weight)

    def deviations(x: Vector) -> tuple[Vector, Number]:
        middle = mean(x) if centred else 0
        a = [u - middle for u in x]
        return a, 1 / mp.sqrt(mean([u * u for u in a]) + mp.mpf(epsilon))

    def function(x: Vector) -> Vector:
        a, v = deviations(x)
        return [w * u * v + c for w, u, c in zip(weight, a, bias, strict=True)]

    def multipliers(x: Vector, b: Vector) -> Matrix:
        (a, v), (a_b, v_b) = deviations(x), deviations(b)
        middle = [(s + t) / 2 for s, t in zip(a, a_b, strict=True)]
        factor = (v * v_b) ** 2 / (v + v_b) * 2 / size
        return [
            [
                weight[k]
                * (
                    (v + v_b) / 2 * ((i == k) - (mp.mpf(1) / size if centred else 0))
                    - factor * middle[i] * middle[k]
                )
                for i in range(size)
            ]
            for k in range(size)
        ]

    return Rule(function, multipliers)


def unit_length(epsilon: float) -> Rule:
    """The vector divided by its length or epsilon: a quotient, with the secant of the length."""

    def length(x: Vector) -> Number:
        return max(mp.sqrt(mp.fsum(u * u for u in x)), mp.mpf(epsilon))

    def multipliers(x: Vector, b: Vector) -> Matrix:
        n, n_b = length(x), length(b)
        squares = mp.fsum(u * u for u in x) - mp.fsum(u * u for u in b)
        per_square = (n - n_b) / squares if squares else 1 / (n + n_b)
        middle = [(u + w) / 2 for u, w in zip(x, b, strict=True)]
        straight, through = (1 / n + 1 / n_b) / 2, 2 * per_square / (n * n_b)
        return [
            [straight * (i == k) - through * middle[k] * middle[i] for i in range(len(x))]
            for k in range(len(x))
        ]

    return Rule(lambda x: [u / length(x) for u in x], multipliers)


def logarithmic_mean(a: Number, b: Number) -> Number:
    """(a - b) / (ln a - ln b), from the ratio so that a and b may differ in the last digit only."""
    if 0 in (a, b) or a == b:
        return min(a, b)
    return b * (a / b - 1) / mp.log(a / b)


def _powers(x: Vector) -> tuple[Vector, Number]:
    powers = [mp.exp(u) for u in x]
    return powers, mp.fsum(powers)


def softmax() -> Rule:
    """The change of ln y = x - ln sum(exp(x)), converted to the change of y."""

    def function(x: Vector) -> Vector:
        powers, total = _powers(x)
        return [power / total for power in powers]

    def multipliers(x: Vector, b: Vector) -> Matrix:
        outer = [logarithmic_mean(y, z) for y, z in zip(function(x), function(b), strict=True)]
        logs = log_softmax().multipliers(x, b)
        return [[scale * m for m in row] for scale, row in zip(outer, logs, strict=True)]

    return Rule(function, multipliers)


def log_softmax() -> Rule:
    """The change of the logit, minus the change of the logarithm of the sum."""

    def multipliers(x: Vector, b: Vector) -> Matrix:
        (powers, total), (powers_b, total_b) = _powers(x), _powers(b)
        inner = logarithmic_mean(total, total_b)
        shares = [logarithmic_mean(s, t) / inner for s, t in zip(powers, powers_b, strict=True)]
        return [[(k == j) - shares[j] for j in range(len(x))] for k in range(len(x))]

    return Rule(lambda x: [u - mp.log(_powers(x)[1]) for u in x], multipliers)
