"""What a rule is: one call's forward pass, and how multipliers go back through it.

Rules are written for one image: the batch axis of 1 that the network was exported with is dropped
from every activation, (1, c, h, w) -> (c, h, w), and the tensors here carry axes of their own in
front: activations n images or b background images, multipliers p pairs and k outputs. What a rule
states for one pair and one output, `torch.vmap` repeats over them.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from deepshap.multiplier import Multiplier
from deepshap.precision import Activation

Saved = tuple[Tensor, ...]
"""What the way back reads of some images, each (n, ...)."""


@dataclass(frozen=True)
class Call:
    """One call of an operation in the network, on one image.

    Attributes:
        name: Of the ATen operation, without its overload.
        part: Which of the operation's outputs is meant.
        function: From the inputs that vary with the image to the output; everything else is filled
            in, in float64.
        narrow: The same with constants in the images' dtype.
        arguments: By the names of PyTorch's schema, constants in the images' dtype. Those that
            vary are None.
        varying: Names of the arguments that vary, in the order of `function`'s.
        inputs: Shapes of what varies.
        output: Shape of the output.
        zero: In the images' dtype and on their device.
    """

    name: str
    part: int
    function: Callable[..., Tensor]
    narrow: Callable[..., Tensor]
    arguments: Mapping[str, Any]
    varying: tuple[str, ...]
    inputs: tuple[torch.Size, ...]
    output: torch.Size
    zero: Tensor

    def require_only(self, name: str) -> None:
        """Refuse a call in which another argument depends on the images.

        Raises:
            NotImplementedError: Says which one may.
        """
        if self.varying != (name,):
            raise NotImplementedError(f"of its arguments, only {name} may depend on the images")


def features(shape: torch.Size) -> torch.Size:
    """The shape of an activation without the batch axis of 1."""
    return shape[1:] if len(shape) and shape[0] == 1 else shape


class Rule(ABC):
    """One call's forward pass, and how multipliers go back through it.

    Args:
        call: What the network does.

    Raises:
        NotImplementedError: There is no rule for such a call; says what to do.
    """

    def __init__(self, call: Call) -> None:
        self.call = call

    def forward(self, *inputs: Activation) -> tuple[Activation, Saved]:
        """Compute the output of n images, (n, ...), and what `backward` needs of them."""
        output = Activation(self.computed(*(x.wide for x in inputs)), inputs[0].precision)
        return output, self.kept(inputs, output)

    def computed(self, *inputs: Tensor) -> Tensor:
        """The output of n images, (n, ...)."""
        full = [
            x.reshape(len(x), *shape) for x, shape in zip(inputs, self.call.inputs, strict=True)
        ]
        output = torch.vmap(self.call.function)(*full)
        return output.reshape(len(output), *features(self.call.output))

    def kept(self, inputs: Sequence[Activation], output: Activation) -> Saved:
        """What `backward` needs of n images; nothing by default."""
        return ()

    @abstractmethod
    def backward(
        self, multiplier: Multiplier, image: Saved, background: Saved
    ) -> Sequence[Multiplier]:
        """Turn the output's multiplier into one for each input that varies."""

    def rows(self, multiplier: Multiplier) -> Tensor:
        """Multiply everything out: (p or 1, k, *output), with the batch axis of 1."""
        rows = multiplier.dense()
        return rows.reshape(*rows.shape[:2], *self.call.output)

    def passed(self, rows: Sequence[Tensor]) -> list[Multiplier]:
        """From rows (p or 1, k, ...) for each input, summed over axes that were broadcast."""
        zipped = zip(rows, self.call.inputs, strict=True)
        return [Multiplier(_summed(part, shape)) for part, shape in zipped]

    def aligned(self, tensor: Tensor, at: int = 0) -> Tensor:
        """Let input `at`, (., ., ...), broadcast against the output."""
        shape, output = self.call.inputs[at], self.call.output
        sides = (1,) * (len(output) - len(shape)) + tuple(shape)
        if features(output) != output:
            sides = sides[1:]
        return tensor.reshape(*tensor.shape[:2], *sides)

    def scaled(self, multiplier: Multiplier, *ratios: Tensor) -> list[Multiplier]:
        """One ratio (p or 1, 1, ...) for each input, the same for all outputs."""
        zipped = zip(ratios, self.call.inputs, strict=True)
        return [self.unbroadcast(multiplier.scaled(ratio), shape) for ratio, shape in zipped]

    def unbroadcast(self, multiplier: Multiplier, shape: torch.Size) -> Multiplier:
        """Sum over the axes along which an input was repeated to match the output."""
        if features(self.call.output) == features(shape):
            return multiplier
        return Multiplier(_summed(self.rows(multiplier), shape))


def _summed(rows: Tensor, shape: torch.Size) -> Tensor:
    """Sum rows (p, k, ...) over axes that `shape` lacks or has 1 in: (p, k, *features)."""
    added = rows.ndim - 2 - len(shape)
    repeated = [at for at, side in enumerate(shape, 2 + added) if side == 1 < rows.shape[at]]
    axes = [*range(2, 2 + added), *repeated]
    if axes:
        rows = rows.sum(axes)
    return rows.reshape(*rows.shape[:2], *features(shape))


class Paired(Rule):
    """A rule for one pair and one output, repeated by `torch.vmap`."""

    @abstractmethod
    def one(self, multiplier: Tensor, image: Saved, background: Saved) -> Sequence[Tensor]:
        """From the output's multiplier to each input's, all in the shapes of one image.

        What depends on one of the images alone is computed once for all pairs with it.
        """

    def shaped(self, kept: Saved) -> list[Tensor]:
        """What was kept of one image's inputs, in their shapes."""
        return [x.reshape(shape) for x, shape in zip(kept, self.call.inputs, strict=True)]

    def backward(
        self, multiplier: Multiplier, image: Saved, background: Saved
    ) -> Sequence[Multiplier]:
        """Go through all pairs and outputs."""
        rows = self.rows(multiplier)
        n, b = len(image[0]), len(background[0])
        each = 0 if len(rows) == n * b else None
        rows = torch.unflatten(rows, 0, (n, b)) if each == 0 else rows[0]
        outputs = torch.vmap(self.one, (0, None, None))
        pairs = torch.vmap(torch.vmap(outputs, (each, None, 0)), (each, 0, None))
        return self.passed([part.flatten(0, 1) for part in pairs(rows, image, background)])


def per_pair(tensor: Tensor) -> Tensor:
    """(n, b, ...) -> (n * b, 1, ...)."""
    return tensor.flatten(0, 1)[:, None]


def midpoints(image: Saved, background: Saved) -> list[Tensor]:
    """The mean of both sides of each pair, (p, 1, ...)."""
    return [per_pair((x[:, None] + b[None]) / 2) for x, b in zip(image, background, strict=True)]
