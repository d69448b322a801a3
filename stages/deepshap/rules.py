"""How a multiplier passes an operation, where that does not depend on the images.

The rules do not know the network. `forward` runs on images and on background images alike and says
what to remember; `backward` receives what was remembered of both. A class is good for many
operations.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from typing_extensions import override

from .multiplier import Multiplier

Saved = tuple[Any, ...]


class Rule(ABC):
    """One operation's forward pass and how multipliers go back through it.

    Attributes:
        apply: The operation as a function; its signature names and orders the arguments.
    """

    only_last = False
    """Whether the rule makes sense only for the operation that gives the network's output."""

    keeps_precision = False
    """Whether `backward` wants what `forward` left as computed, not in the images' dtype."""

    def __init__(self, apply: Callable[..., Any]) -> None:
        self.apply = apply

    def bound(self, varies: Sequence[bool]) -> Rule:
        """Choose the rule for a call, by which of its arguments depend on the images.

        Raises:
            NotImplementedError: No rule for such a call; says why.
        """
        if list(varies).index(True) == 0 and sum(varies) == 1:
            return self
        raise NotImplementedError("only its first argument may depend on the images")

    @abstractmethod
    def forward(self, *args: Any) -> tuple[Tensor, Saved]:
        """Compute the output, and what `backward` needs of this tile of images."""

    @abstractmethod
    def backward(
        self, multiplier: Multiplier, image: Saved, background: Saved
    ) -> Sequence[Multiplier]:
        """Turn the output's multiplier into one for each argument that depends on the images."""


def require_same_axes(result: Tensor, *terms: Tensor) -> None:
    """Refuse broadcasting that adds axes: it could match images with channels."""
    if any(term.ndim != result.ndim for term in terms):
        raise NotImplementedError("what it joins must have as many axes as its result; reshape it")


def narrowed(multiplier: Multiplier, shape: torch.Size) -> Multiplier:
    """Undo broadcasting: sum over the axes along which a tensor of `shape` was repeated."""
    sides = zip(multiplier.features, shape[1:], strict=True)
    repeated = [axis for axis, (side, own) in enumerate(sides, 2) if own == 1 and side > 1]
    if not repeated:
        return multiplier
    return Multiplier(multiplier.dense().sum(repeated, keepdim=True))


class Unchanged(Rule):
    """Multipliers pass as they are."""

    @override
    def forward(self, *args: Any) -> tuple[Tensor, Saved]:
        return self.apply(*args), ()

    @override
    def backward(
        self, multiplier: Multiplier, image: Saved, background: Saved
    ) -> Sequence[Multiplier]:
        return [multiplier]


Transpose = Callable[..., Tensor]
"""(rows, shape of the input, *other arguments) -> rows: a linear operation's transpose."""


class Linear(Rule):
    """Linear in its first argument, up to a constant: multipliers go through the transpose.

    Args:
        apply: The operation.
        transpose: If faster than what automatic differentiation finds.
    """

    def __init__(self, apply: Callable[..., Any], transpose: Transpose | None = None) -> None:
        super().__init__(apply)
        self.transpose = transpose or self._differentiated

    def _differentiated(self, rows: Tensor, shape: torch.Size, *args: Any) -> Tensor:
        with torch.enable_grad():
            anywhere = rows.new_zeros(len(rows), *shape[1:]).requires_grad_()
            (transposed,) = torch.autograd.grad(self.apply(anywhere, *args), anywhere, rows)
        return transposed

    @override
    def forward(self, *args: Any) -> tuple[Tensor, Saved]:
        return self.apply(*args), (args[0].shape, args[1:])

    @override
    def backward(
        self, multiplier: Multiplier, image: Saved, background: Saved
    ) -> Sequence[Multiplier]:
        shape, args = background
        rows = multiplier.dense()
        transposed = self.transpose(rows.flatten(0, 1), shape, *args)
        return [Multiplier(torch.unflatten(transposed, 0, rows.shape[:2]))]


class Scale(Rule):
    """Times a constant, plus perhaps another: multipliers are scaled.

    Args:
        apply: The operation.
        factor: From the same arguments, the constant: a number, or broadcast against one image.
        varying: Position of the argument that depends on the images.
    """

    def __init__(
        self, apply: Callable[..., Any], factor: Callable[..., Tensor | float], varying: int = 0
    ) -> None:
        super().__init__(apply)
        self.factor = factor
        self.varying = varying

    @override
    def forward(self, *args: Any) -> tuple[Tensor, Saved]:
        scaled: Tensor = self.apply(*args)
        require_same_axes(scaled, args[self.varying])
        factor = self.factor(*args)
        if not isinstance(factor, Tensor):
            factor = scaled.new_full((), factor)
        if factor.ndim == scaled.ndim and len(factor) != 1:
            raise NotImplementedError("its constant has a value for each image of a batch")
        factor = factor.reshape((1,) * (scaled.ndim + 1 - factor.ndim) + factor.shape)
        return scaled, (args[self.varying].shape, factor)

    @override
    def backward(
        self, multiplier: Multiplier, image: Saved, background: Saved
    ) -> Sequence[Multiplier]:
        shape, factor = background
        return [narrowed(multiplier.scaled(factor), shape)]


class Sum(Rule):
    """Sum of branches and constants, each with a weight; broadcasting is undone.

    Args:
        apply: The operation, of two terms and perhaps a weight of the second.
        sign: Of the second term.
    """

    def __init__(self, apply: Callable[..., Any], sign: int = 1) -> None:
        super().__init__(apply)
        self.sign = sign
        self.varies: Sequence[bool] = (True, True)

    @override
    def bound(self, varies: Sequence[bool]) -> Rule:
        rule = Sum(self.apply, self.sign)
        rule.varies = varies
        return rule

    @override
    def forward(self, *args: Any) -> tuple[Tensor, Saved]:
        weights = (1, self.sign * (args[2] if len(args) > 2 else 1))
        zipped = zip(args[:2], weights, self.varies, strict=False)
        terms = [(term, weight) for term, weight, varies in zipped if varies]
        summed: Tensor = self.apply(*args)
        require_same_axes(summed, *(term for term, _ in terms))
        return summed, tuple((term.shape, weight) for term, weight in terms)

    @override
    def backward(
        self, multiplier: Multiplier, image: Saved, background: Saved
    ) -> Sequence[Multiplier]:
        terms = []
        for shape, weight in background:
            term = narrowed(multiplier, shape)
            terms.append(term if weight == 1 else Multiplier(weight * term.dense()))
        return terms


class Concatenation(Rule):
    """Branches side by side: each gets its own part."""

    def __init__(self, apply: Callable[..., Any]) -> None:
        super().__init__(apply)
        self.varies: Sequence[bool] = ()

    @override
    def bound(self, varies: Sequence[bool]) -> Rule:
        rule = Concatenation(self.apply)
        rule.varies = varies
        return rule

    @override
    def forward(self, *args: Any) -> tuple[Tensor, Saved]:
        tensors, dim = args
        dim %= tensors[0].ndim
        return self.apply(tensors, dim), ([tensor.shape[dim] for tensor in tensors], dim)

    @override
    def backward(
        self, multiplier: Multiplier, image: Saved, background: Saved
    ) -> Sequence[Multiplier]:
        sizes, dim = background
        parts = torch.split(multiplier.dense(), sizes, dim + 1)
        return [
            Multiplier(part) for part, varies in zip(parts, self.varies, strict=False) if varies
        ]
