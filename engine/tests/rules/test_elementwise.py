"""Element-wise functions follow the rescale rule in fifty digits."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from deepshap import DeepShap

from ..networks import Function
from . import exact
from .exact import Matrix, Number, Rule, Vector, mp
from .rows import Operation, check, pairs


def assigned_where_negative(x: Tensor) -> Tensor:
    y = x.clone()
    y[y < 0] = 0
    return y


PRELU = torch.tensor([0.25], dtype=torch.float64)
Case = tuple[Callable[[Tensor], Tensor], Callable[[Number], Number]]


def clip(t: Number, low: float, high: float) -> Number:
    return min(max(t, mp.mpf(low)), mp.mpf(high))


def sigmoid(t: Number) -> Number:
    return 1 / (1 + mp.exp(-t))


def softplus(t: Number) -> Number:
    return mp.log1p(mp.exp(t))


def gelu_by_tanh(t: Number) -> Number:
    return t / 2 * (1 + mp.tanh(mp.sqrt(2 / mp.pi) * (t + mp.mpf(0.044715) * t**3)))


def elu(t: Number, alpha: float = 1.0, below: float = 1.0) -> Number:
    return t if t > 0 else mp.mpf(alpha) * mp.expm1(t / below)


SELU_ALPHA, SELU_SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946

CLOSED_FORMS: dict[str, Case] = {
    "relu": (F.relu, lambda t: max(t, 0)),
    "leaky_relu": (lambda x: F.leaky_relu(x, 0.25), lambda t: t if t > 0 else t / 4),
    "prelu": (lambda x: F.prelu(x, PRELU), lambda t: t if t > 0 else t / 4),
    "relu6": (F.relu6, lambda t: clip(t, 0, 6)),
    "hardtanh": (lambda x: F.hardtanh(x, -0.5, 0.5), lambda t: clip(t, -0.5, 0.5)),
    "clamp": (lambda x: x.clamp(-0.5, 0.75), lambda t: clip(t, -0.5, 0.75)),
    "clamp_min": (lambda x: x.clamp_min(-0.5), lambda t: max(t, mp.mpf(-0.5))),
    "clamp_max": (lambda x: x.clamp(max=0.5), lambda t: min(t, mp.mpf(0.5))),
    "maximum with a constant": (
        lambda x: torch.maximum(x, torch.tensor(0.25, dtype=torch.float64)),
        lambda t: max(t, mp.mpf(0.25)),
    ),
    "abs": (torch.abs, abs),
    "hardsigmoid": (F.hardsigmoid, lambda t: clip(t / 6 + mp.mpf(1) / 2, 0, 1)),
    "sigmoid": (torch.sigmoid, sigmoid),
    "tanh": (torch.tanh, mp.tanh),
    "silu": (F.silu, lambda t: t * sigmoid(t)),
    "exp": (torch.exp, mp.exp),
    "square": (torch.square, lambda t: t**2),
    "power of 2": (lambda x: x**2, lambda t: t**2),
    "power of 3": (lambda x: x**3, lambda t: t**3),
    "power of 12": (lambda x: x**12, lambda t: t**12),
    "power of a constant": (lambda x: 0.3**x, lambda t: mp.mpf(0.3) ** t),
    "exp2": (torch.exp2, lambda t: mp.mpf(2) ** t),
    "sin": (torch.sin, mp.sin),
    "cos": (torch.cos, mp.cos),
    "tan": (lambda x: torch.tan(x / 8), lambda t: mp.tan(t / 8)),
    "sinh": (torch.sinh, mp.sinh),
    "cosh": (torch.cosh, mp.cosh),
    "softshrink": (lambda x: F.softshrink(x, 0.25), lambda t: t - clip(t, -0.25, 0.25)),
    "nan_to_num": (torch.nan_to_num, lambda t: t),
    "rrelu": (lambda x: F.rrelu(x, 0.25, 0.75), lambda t: t if t > 0 else t / 2),
}
"""Functions whose secants keep all digits, however close the inputs are."""

POSITIVE_INPUTS: dict[str, Case] = {
    "sqrt": (torch.sqrt, mp.sqrt),
    "rsqrt": (torch.rsqrt, lambda t: 1 / mp.sqrt(t)),
    "power of 1/2": (lambda x: x**0.5, mp.sqrt),
    "log": (torch.log, mp.log),
    "reciprocal": (torch.reciprocal, lambda t: 1 / t),
    "division of a constant": (lambda x: 3 / x, lambda t: 3 / t),
    "log2": (torch.log2, lambda t: mp.log(t, 2)),
    "log10": (torch.log10, mp.log10),
    "power of 1.75": (lambda x: x**1.75, lambda t: t ** mp.mpf(1.75)),
    "power of -1.25": (lambda x: x**-1.25, lambda t: t ** mp.mpf(-1.25)),
    "powers of a vector": (
        lambda x: x ** torch.tensor([2.5] * 6).double(),
        lambda t: t ** mp.mpf(2.5),
    ),
    "float_power": (lambda x: torch.float_power(x, 2.5), lambda t: t ** mp.mpf(2.5)),
    "root with a sign": (lambda x: x.sign() * x.abs().sqrt(), mp.sqrt),
}
"""The same, for positive inputs."""

SUBTRACTED: dict[str, Case] = {
    "elu": (F.elu, elu),
    "celu": (lambda x: F.celu(x, 0.5), lambda t: elu(t, 0.5, 0.5)),
    "selu": (F.selu, lambda t: SELU_SCALE * elu(t, SELU_ALPHA)),
    "hardswish": (F.hardswish, lambda t: t * clip(t / 6 + mp.mpf(1) / 2, 0, 1)),
    "gelu": (F.gelu, lambda t: t / 2 * (1 + mp.erf(t / mp.sqrt(2)))),
    "gelu by tanh": (lambda x: F.gelu(x, approximate="tanh"), gelu_by_tanh),
    "mish": (F.mish, lambda t: t * mp.tanh(softplus(t))),
    "softplus": (F.softplus, softplus),
    "log of the sigmoid": (F.logsigmoid, lambda t: -softplus(-t)),
    "softsign": (F.softsign, lambda t: t / (1 + abs(t))),
    "asinh": (torch.asinh, mp.asinh),
    "atan": (torch.atan, mp.atan),
    "asin": (lambda x: torch.asin(x / 16), lambda t: mp.asin(t / 16)),
    "acos": (lambda x: torch.acos(x / 16), lambda t: mp.acos(t / 16)),
    "atanh": (lambda x: torch.atanh(x / 16), lambda t: mp.atanh(t / 16)),
    "acosh": (lambda x: torch.acosh(x + 17), lambda t: mp.acosh(t + 17)),
    "erf": (torch.erf, mp.erf),
    "erfc": (torch.erfc, mp.erfc),
    "expm1": (torch.expm1, mp.expm1),
}
"""Functions whose changes are subtracted: float64 keeps about eight digits of 1e-7."""

STEPS: dict[str, Case] = {
    "sign": (torch.sign, mp.sign),
    "round": (lambda x: x.round(), lambda t: mp.mpf(round(float(t)))),
    "floor": (torch.floor, mp.floor),
    "ceil": (torch.ceil, mp.ceil),
    "hardshrink": (lambda x: F.hardshrink(x, 0.25), lambda t: t if abs(t) > 0.25 else mp.mpf(0)),
    "threshold": (lambda x: F.threshold(x, 0.25, -1), lambda t: t if t > 0.25 else mp.mpf(-1)),
    "comparison": (lambda x: (x > 0.25).double(), lambda t: mp.mpf(t > 0.25)),
    "gate": (lambda x: x * (x > 0), lambda t: max(t, 0)),
    "gate that jumps": (
        lambda x: x * (x > 0.25).type_as(x),
        lambda t: t if t > 0.25 else mp.mpf(0),
    ),
    "where": (
        lambda x: torch.where(x >= 0.25, x * x, 0.5 * x),
        lambda t: t * t if t >= 0.25 else t / 2,
    ),
    "where a constant": (
        lambda x: torch.where(x < 0, 0.5, x),
        lambda t: t if t >= 0 else mp.mpf(0.5),
    ),
    "masked_fill": (lambda x: x.masked_fill(x <= 0, 2.0), lambda t: t if t > 0 else mp.mpf(2)),
    "assignment": (assigned_where_negative, lambda t: max(t, 0)),
    "and": (lambda x: x * ((x > 0) & (x < 1)), lambda t: t if 0 < t < 1 else mp.mpf(0)),
    "or": (lambda x: x * torch.logical_or(x < 0, x > 1), lambda t: mp.mpf(0) if 0 <= t <= 1 else t),
    "xor": (lambda x: x * ((x > 0) ^ (x > 1)), lambda t: t if 0 < t <= 1 else mp.mpf(0)),
    "not": (lambda x: x * ~(x < 0), lambda t: max(t, 0)),
}
"""Functions that jump, and gates that the images open."""


def after_sum(rule: Rule) -> Rule:
    """The rule applied to u + v: where these cancel, both attributions show the slope."""

    def total(x: Vector) -> Vector:
        return [u + v for u, v in zip(*exact.halves(x), strict=True)]

    def multipliers(x: Vector, b: Vector) -> Matrix:
        return [row * 2 for row in rule.multipliers(total(x), total(b))]

    return Rule(lambda x: rule.function(total(x)), multipliers)


def cancelling(*, positive: bool = False) -> tuple[Tensor, Tensor]:
    """Two channels whose sums are the pairs of `rows`; in the equal row each channel changes."""
    x, b = pairs(2, 6)
    if positive:
        x, b = x.abs() + x.abs().clamp(max=2**-30), b.abs() + b.abs().clamp(max=2**-30)
    x[0, 0, 1] += 0.5
    b[0, 1, 1] += 0.5
    return x, b


def on_sums(cases: dict[str, Case]) -> dict[str, tuple[Operation, Rule]]:
    def behind_sum(function: Callable[[Tensor], Tensor]) -> Operation:
        return lambda x: function(x[:, 0] + x[:, 1])

    return {
        name: (behind_sum(function), after_sum(exact.elementwise(wanted)))
        for name, (function, wanted) in cases.items()
    }


def test_closed_forms_keep_all_digits() -> None:
    check(on_sums(CLOSED_FORMS), cancelling())


def test_closed_forms_for_positive_inputs_keep_all_digits() -> None:
    check(on_sums(POSITIVE_INPUTS), cancelling(positive=True))


def test_other_functions_keep_the_digits_that_subtraction_leaves() -> None:
    check(on_sums(SUBTRACTED), cancelling(), {"nearly equal": 1e-8, "small": 1e-8})


def test_functions_that_jump_keep_all_digits() -> None:
    check(on_sums(STEPS), cancelling())


def test_a_root_of_zero_has_finite_multipliers() -> None:
    """Where nothing changes, the infinite slope does not matter."""
    network = Function(lambda net, x: (x.relu() ** (1 / 3)).flatten(1)).eval()
    x, background = -torch.ones(1, 1, 2, 2), torch.tensor([[[[-1.0, 1.0], [8.0, 0.0]]]])
    values = DeepShap(network, background).attribute(x).sum((1, 2, 3))
    assert torch.allclose(values, torch.tensor([[0.0, -1, -2, 0]]))


def test_each_channel_may_have_its_own_exponent() -> None:
    """The generalised mean of pooling by powers."""
    p = torch.tensor([1.0, 2.5, 4.0], dtype=torch.float64).view(1, 3, 1, 1)
    network = Function(lambda net, x: ((x**p).mean((2, 3), True) ** (1 / p)).flatten(1)).eval()
    generator = torch.Generator().manual_seed(0)
    x, background = torch.rand(2, 2, 3, 4, 4, generator=generator, dtype=torch.float64)
    sums = DeepShap(network, background).attribute(x).sum((1, 2, 3))
    assert torch.allclose(sums, network(x) - network(background).mean(0), rtol=0, atol=1e-14)
