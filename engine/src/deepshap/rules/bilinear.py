"""Rules for products of two branches that depend on the images.

Each factor's change is multiplied by the mean of the other factor: Δ(u v) = v̄ Δu + ū Δv. This is
exact and needs no division. It is the Shapley value of two factors, the mean over both orders of
switching from background to image (Lundberg & Lee 2017, arXiv:1705.07874). Equivalently, it is the
derivative at the midpoint of the pair, which is exact for any function of degree two.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from deepshap.multiplier import Multiplier
from deepshap.precision import Activation
from deepshap.rules.base import Call, PairRule, Rule, Saved, midpoints
from deepshap.rules.linear import Linear, Scale


class _SavesInputs(Rule):
    """A rule that needs its inputs in the backward pass."""

    def save(self, inputs: Sequence[Activation], output: Activation) -> Saved:
        return tuple(x.narrow for x in inputs)


class Product(_SavesInputs):
    """The element-wise product of two branches."""

    def backward(
        self, multiplier: Multiplier, image: Saved, background: Saved
    ) -> Sequence[Multiplier]:
        """Scale by the mean of the other factor."""
        first, second = (
            self.aligned(mean, at) for at, mean in enumerate(midpoints(image, background))
        )
        return self.scaled(multiplier, second, first)


class Quotient(PairRule):
    """The quotient of two branches, as the product of u and 1/v, where Δ(1/v) = -Δv / (v v')."""

    def save(self, inputs: Sequence[Activation], output: Activation) -> Saved:
        """Both branches."""
        return tuple(x.narrow for x in inputs)

    def for_pair(self, multiplier: Tensor, image: Saved, background: Saved) -> Sequence[Tensor]:
        """Multiply by the mean of 1/v, and by -ū / (v v')."""
        (u, v), (u_b, v_b) = self.shaped(image), self.shaped(background)
        share = multiplier / (v * v_b)
        return [share * (v + v_b) / 2, -share * (u + u_b) / 2]


class TwoBranches(PairRule):
    """Any element-wise function of two branches, such as their maximum: two-player Shapley values.

    A branch's change is its mean effect over both orders of switching from background to image.
    """

    def compute(self, *inputs: Tensor) -> Tensor:
        """The output for n images; true is 1 and false is 0."""
        return super().compute(*inputs).to(inputs[0].dtype)

    def save(self, inputs: Sequence[Activation], output: Activation) -> Saved:
        """Both branches in float64, since their changes may be small relative to their values."""
        return tuple(x.wide for x in inputs)

    def for_pair(self, multiplier: Tensor, image: Saved, background: Saved) -> Sequence[Tensor]:
        """Multiply by each branch's mean effect over both orders of switching."""
        (u, v), (u_b, v_b) = self.shaped(image), self.shaped(background)
        corners = ((u, v), (u_b, v_b), (u, v_b), (u_b, v))
        both, neither, first, second = (self.call.function(*c).to(u.dtype) for c in corners)
        ratios = (
            _ratio((both - second) + (first - neither), u - u_b),
            _ratio((both - first) + (second - neither), v - v_b),
        )
        return [multiplier * ratio.to(multiplier.dtype) for ratio in ratios]


class Bilinear(PairRule):
    """Any operation of degree two in its varying inputs: the derivative at the midpoint."""

    def __init__(self, call: Call) -> None:
        super().__init__(call)
        if call.name == "einsum" and len(call.varying) > 2:
            raise NotImplementedError("more than two of its factors depend on the images")

    def save(self, inputs: Sequence[Activation], output: Activation) -> Saved:
        """The factors."""
        return tuple(x.narrow for x in inputs)

    def for_pair(self, multiplier: Tensor, image: Saved, background: Saved) -> Sequence[Tensor]:
        """Differentiate at the midpoint."""
        sides = zip(self.shaped(image), self.shaped(background), strict=True)
        means = [(x + b) / 2 for x, b in sides]
        with torch.enable_grad():
            transpose = torch.func.vjp(self.call.narrow, *means)[1]
        return list(transpose(multiplier))


class MatrixProduct(_SavesInputs):
    """The matrix product of two branches."""

    def backward(
        self, multiplier: Multiplier, image: Saved, background: Saved
    ) -> Sequence[Multiplier]:
        """Multiply by the mean of the other factor, transposed."""
        zipped = zip(midpoints(image, background), self.call.inputs, strict=True)
        left, right = (mean.reshape(len(mean), 1, *shape) for mean, shape in zipped)
        rows = self.rows(multiplier)
        return self.from_rows([rows @ right.mT, left.mT @ rows])


class Choice(PairRule):
    """A choice by a condition c that depends on the images: c u + (1 - c) v.

    Args:
        call: The call in the network.
        condition: Name of the argument c.
        true: Name of the argument u.
        false: Name of the argument v.
    """

    def __init__(self, call: Call, condition: str, true: str, false: str) -> None:
        at = call.varying.index(condition)

        def choose(*inputs: Tensor) -> Tensor:
            return call.function(*inputs[:at], inputs[at] > 0, *inputs[at + 1 :])

        super().__init__(replace(call, function=choose))
        self._names = condition, true, false
        for name in {true, false}.difference(call.varying):
            if not torch.as_tensor(call.arguments[name]).isfinite().all():
                raise NotImplementedError(
                    f"its condition depends on the images, so {name} must be finite; use a large "
                    "number instead of infinity"
                )

    def save(self, inputs: Sequence[Activation], output: Activation) -> Saved:
        """All inputs."""
        return tuple(x.narrow for x in inputs)

    def for_pair(self, multiplier: Tensor, image: Saved, background: Saved) -> Sequence[Tensor]:
        """Multiply by the mean condition, its complement, and the mean difference of the sides."""
        pairs = zip(self.shaped(image), self.shaped(background), strict=True)
        means = dict(zip(self.call.varying, [(x + b) / 2 for x, b in pairs], strict=True))
        c, u, v = (means.get(name, self.call.arguments[name]) for name in self._names)
        shares = dict(zip(self._names, (u - v, c, 1 - c), strict=True))
        return [multiplier * shares[name] for name in self.call.varying]


def multiplied(call: Call) -> Rule:
    """The rule of a product of two factors, one of which may be constant."""
    if len(call.varying) == 2:
        return Product(call)
    (varying,) = call.varying
    return Scale(call, call.arguments["other" if varying == "self" else "self"])


def matrix_multiplied(call: Call) -> Rule:
    """The rule of a product of matrices or vectors, one of which may be constant."""
    if len(call.varying) == 1:
        return Linear(call)
    return MatrixProduct(call) if all(len(s) >= 2 for s in call.inputs) else Bilinear(call)


def bilinear(call: Call) -> Rule:
    """The rule of any operation linear in each of two inputs."""
    return Linear(call) if len(call.varying) == 1 else Bilinear(call)


def _ratio(change: Tensor, own: Tensor) -> Tensor:
    """Half of the change divided by the branch's own change; 0 where that is 0."""
    return torch.where(own == 0, 0.0, change / (2 * own))
