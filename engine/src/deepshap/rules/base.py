"""Base classes of rules: the forward pass of one call, and how multipliers go back through it.

Rules are written for one image. The network was exported with a batch axis of 1, which is dropped
from every activation: (1, c, h, w) -> (c, h, w). The tensors here have other axes in front: n
images or b background images for activations, p pairs and k outputs for multipliers. `torch.vmap`
repeats a rule for one pair and one output over these axes.
"""

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from deepshap.multiplier import Multiplier
from deepshap.precision import Activation

Saved = tuple[Tensor, ...]
"""Tensors of some images that the backward pass reads, each (n, ...)."""


@dataclass(frozen=True)
class Call:
    """One call of an operation in the network, on one image.

    Attributes:
        name: Name of the ATen operation, without its overload.
        output_index: Index of the output, for operations with several.
        function: Computes the output from the inputs that vary with the image. All other arguments
            are filled in, in float64.
        narrow: The same function with constants in the images' dtype.
        arguments: Arguments by their names in PyTorch's schema, constants in the images' dtype.
            Those that vary are None.
        varying: Names of the arguments that vary, in the order of `function`'s parameters.
        inputs: Shapes of the inputs that vary.
        output: Shape of the output.
        zero: A zero in the images' dtype and on their device.
    """

    name: str
    output_index: int
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
            NotImplementedError: Names the argument that may.
        """
        if self.varying != (name,):
            raise NotImplementedError(f"of its arguments, only {name} may depend on the images")


def features(shape: torch.Size) -> torch.Size:
    """The shape of an activation without the batch axis of 1."""
    return shape[1:] if len(shape) and shape[0] == 1 else shape


class Rule(ABC):
    """The forward pass of one call, and how multipliers go back through it.

    Args:
        call: The call in the network.

    Raises:
        NotImplementedError: There is no rule for such a call; the message says what to do.
    """

    is_local = False
    """Whether each position of the output depends on the same position of the inputs only."""

    def __init__(self, call: Call) -> None:
        self.call = call

    def forward(self, *inputs: Activation) -> tuple[Activation, Saved]:
        """The output for n images, (n, ...), and the tensors that `backward` needs."""
        output = Activation(self.compute(*(x.wide for x in inputs)), inputs[0].precision)
        return output, self.save(inputs, output)

    def compute(self, *inputs: Tensor) -> Tensor:
        """The output for n images, (n, ...)."""
        full = [
            x.reshape(len(x), *shape) for x, shape in zip(inputs, self.call.inputs, strict=True)
        ]
        output = torch.vmap(self.call.function)(*full)
        return output.reshape(len(output), *features(self.call.output))

    def save(self, inputs: Sequence[Activation], output: Activation) -> Saved:
        """The tensors of n images that `backward` needs; none by default."""
        return ()

    @abstractmethod
    def backward(
        self, multiplier: Multiplier, image: Saved, background: Saved
    ) -> Sequence[Multiplier]:
        """The multiplier of each input that varies, from the output's multiplier."""

    def backward_where(
        self, multiplier: Multiplier, image: Saved, background: Saved, changed: Tensor | None
    ) -> Sequence[Multiplier]:
        """Like `backward`, but may skip work where the first input does not change.

        Args:
            multiplier: The multiplier of the output.
            image: What `save` returned for n images.
            background: What it returned for b background images.
            changed: Where the first input depends on a pixel that changes, (p, h, w), or None for
                everywhere. Its multiplier is not needed elsewhere.
        """
        return self.backward(multiplier, image, background)

    def changed(self, inputs: Sequence[Tensor | None]) -> Tensor | None:
        """Where the output depends on a pixel that changes, from where the inputs do.

        Args:
            inputs: (h, w, p) for each input that varies; None for everywhere.

        Returns:
            (h, w, p), or None for everywhere.
        """
        known = [each for each in inputs if each is not None]
        if not self.is_local or len(known) < len(inputs):
            return None
        alike = all(features(shape) == features(self.call.output) for shape in self.call.inputs)
        return functools.reduce(torch.bitwise_or, known) if alike else None

    def rows(self, multiplier: Multiplier) -> Tensor:
        """The product of all factors, with the batch axis of 1: (p or 1, k, *output)."""
        rows = multiplier.dense()
        return rows.reshape(*rows.shape[:2], *self.call.output)

    def from_rows(self, rows: Sequence[Tensor]) -> list[Multiplier]:
        """Multipliers from rows (p or 1, k, ...) of each input, summed over broadcast axes."""
        zipped = zip(rows, self.call.inputs, strict=True)
        return [Multiplier(_summed(each, shape)) for each, shape in zipped]

    def aligned(self, tensor: Tensor, at: int = 0) -> Tensor:
        """Input number `at`, (., ., ...), reshaped to broadcast against the output."""
        shape, output = self.call.inputs[at], self.call.output
        sides = (1,) * (len(output) - len(shape)) + tuple(shape)
        if features(output) != output:
            sides = sides[1:]
        return tensor.reshape(*tensor.shape[:2], *sides)

    def scaled(self, multiplier: Multiplier, *ratios: Tensor) -> list[Multiplier]:
        """The multiplier times a ratio (p or 1, 1, ...) for each input."""
        zipped = zip(ratios, self.call.inputs, strict=True)
        return [self.unbroadcast(multiplier.scaled(ratio), shape) for ratio, shape in zipped]

    def unbroadcast(self, multiplier: Multiplier, shape: torch.Size) -> Multiplier:
        """The multiplier summed over the axes along which an input was broadcast."""
        if features(self.call.output) == features(shape):
            return multiplier
        return Multiplier(_summed(self.rows(multiplier), shape))


def _summed(rows: Tensor, shape: torch.Size) -> Tensor:
    """Sum rows (p, k, ...) over axes that are missing or 1 in `shape`: (p, k, *features)."""
    added = rows.ndim - 2 - len(shape)
    repeated = [at for at, side in enumerate(shape, 2 + added) if side == 1 < rows.shape[at]]
    axes = [*range(2, 2 + added), *repeated]
    if axes:
        rows = rows.sum(axes)
    return rows.reshape(*rows.shape[:2], *features(shape))


class PairRule(Rule):
    """A rule written for one pair and one output; `torch.vmap` repeats it."""

    @abstractmethod
    def for_pair(self, multiplier: Tensor, image: Saved, background: Saved) -> Sequence[Tensor]:
        """The multiplier of each input from the output's, all in the shapes of one image.

        Values that depend on one of the two images only are computed once for all its pairs.
        """

    def shaped(self, saved: Saved) -> list[Tensor]:
        """The saved inputs of one image, in their shapes."""
        return [x.reshape(shape) for x, shape in zip(saved, self.call.inputs, strict=True)]

    def backward(
        self, multiplier: Multiplier, image: Saved, background: Saved
    ) -> Sequence[Multiplier]:
        """Apply the rule to all pairs and outputs."""
        rows = self.rows(multiplier)
        n, b = len(image[0]), len(background[0])
        each = 0 if len(rows) == n * b else None
        rows = torch.unflatten(rows, 0, (n, b)) if each == 0 else rows[0]
        outputs = torch.vmap(self.for_pair, (0, None, None))
        pairs = torch.vmap(torch.vmap(outputs, (each, None, 0)), (each, 0, None))
        inputs = pairs(rows, image, background)
        return self.from_rows([rows.flatten(0, 1) for rows in inputs])


def in_windows(
    changed: Tensor,
    size: Sequence[int],
    kernel: Sequence[int],
    stride: Sequence[int],
    dilation: Sequence[int] = (1, 1),
) -> Tensor:
    """Whether any position of each window is true, (h, w, p) -> (*size, p)."""
    for axis in range(2):
        reach = (size[axis] - 1) * stride[axis] + 1
        starts = range(0, kernel[axis] * dilation[axis], dilation[axis])
        planes = changed.transpose(0, axis)
        shifted = [planes[at : at + reach : stride[axis]] for at in starts]
        changed = functools.reduce(torch.bitwise_or, shifted).transpose(0, axis)
    return changed


def only_where(planes: Tensor, changed: Tensor | None) -> Multiplier:
    """The multiplier of planes that a loop has computed only where they change."""
    shared = len(planes) == 1  # by all pairs, so computed everywhere
    return Multiplier(planes, needed=None if shared else changed)


def per_pair(tensor: Tensor) -> Tensor:
    """(n, b, ...) -> (n * b, 1, ...)."""
    return tensor.flatten(0, 1)[:, None]


def midpoints(image: Saved, background: Saved) -> list[Tensor]:
    """The mean of both sides of each pair, (p, 1, ...)."""
    return [per_pair((x[:, None] + b[None]) / 2) for x, b in zip(image, background, strict=True)]
