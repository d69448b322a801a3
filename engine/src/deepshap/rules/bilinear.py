"""Rules for products of two branches that depend on the images.

Each factor's change is multiplied by the mean of the other factor: Δ(u v) = v̄ Δu + ū Δv. This is
exact and needs no division. It is the Shapley value of two factors, the mean over both orders of
switching from background to image (Lundberg & Lee 2017, arXiv:1705.07874). Equivalently, it is the
derivative at the midpoint of the pair, which is exact for any function of degree two.
"""

from collections.abc import Sequence

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


class Extremum(PairRule):
    """The larger or smaller of two branches, by its two-player Shapley value."""

    def save(self, inputs: Sequence[Activation], output: Activation) -> Saved:
        """Both branches in float64, since their changes may be small relative to their values."""
        return tuple(x.wide for x in inputs)

    def for_pair(self, multiplier: Tensor, image: Saved, background: Saved) -> Sequence[Tensor]:
        """Multiply by each branch's mean effect over both orders of switching."""
        extremum = torch.maximum if "max" in self.call.name else torch.minimum
        (u, v), (u_b, v_b) = self.shaped(image), self.shaped(background)
        both, neither = extremum(u, v), extremum(u_b, v_b)
        first, second = extremum(u, v_b), extremum(u_b, v)
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
