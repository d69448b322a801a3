"""Writes a network as a list of plain operations with their weights, for programs without PyTorch.

A page in a browser can compute with them. They are the engine's own steps, so they give the same
outputs, and a few of the engine's rules explain them.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, fx, nn

from deepshap.graph.export import UnsupportedOperation, module_path_of, name_of
from deepshap.graph.program import Program
from deepshap.graph.untouched import untouched
from deepshap.rules.base import Rule, features
from deepshap.rules.composition import Composed
from deepshap.rules.elementwise import Elementwise, Rectifier, Softmax
from deepshap.rules.linear import Convolution, Dense, Linear, Scale, Sum, Unchanged
from deepshap.rules.pooling import MaxPool

Arrays = dict[str, Tensor]


_NO_FORM = "it has no plain form"


class _NotPortable(Exception):
    """An operation has no plain form; `portable_operations` adds its name and module path."""


@dataclass(frozen=True)
class Operation:
    """One operation on one image.

    Attributes:
        kind: `convolution` (`weight` (out, in, height, width), `bias`, `stride`, `padding`),
            `affine` (`scale` and `shift` of each channel), `relu`, `max_pool` and `average_pool`
            (`window`, `stride`, `padding`), `linear` (`weight` (out, in), `bias`), `add` (two
            inputs), `flatten` (channel by channel, row by row), `sigmoid` or `softmax`.
        inputs: The values it reads: 0 is the image, i the output of the i-th operation, counted
            from 1.
        shape: Shape of the output: (channels, height, width) or (features,).
        settings: Vertical and horizontal sizes by name, in pixels.
        arrays: Weights by name, float32 tensors on the CPU.
    """

    kind: str
    inputs: tuple[int, ...]
    shape: tuple[int, ...]
    settings: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    arrays: Arrays = field(default_factory=dict)


def portable_operations(network: nn.Module, image: Tensor) -> list[Operation]:
    """Write a network as plain operations, for programs without PyTorch.

    Batch norms are folded into the convolutions before them, and operations that only reshape are
    left out. The network itself is not changed.

    Args:
        network: A network in eval mode that maps (n, c, h, w) to (n, k).
        image: One image, (1, c, h, w), on the network's device.

    Returns:
        The operations in the order they run; the last one returns the k outputs.

    Raises:
        UnsupportedOperation: An operation has no plain form; the message names it and its module.
    """
    with untouched(network, image.device):
        program = Program(network, image)
        writer = _Writer(program)
        for node, step in program.steps.items():
            rules = step.rule.rules if isinstance(step.rule, Composed) else [step.rule]
            try:
                writer.write(node, rules, step.inputs)
            except _NotPortable as error:
                path = module_path_of(node, network)
                raise UnsupportedOperation(name_of(node), path, str(error)) from error
    return [
        replace(operation, arrays={name: array.float() for name, array in operation.arrays.items()})
        for operation in writer.operations
    ]


class _Writer:
    """Writes the rules one by one, with weights in float64 until all are folded."""

    def __init__(self, program: Program) -> None:
        self.operations: list[Operation] = []
        self._numbers = {program.source: 0}
        self._n_readers = Counter(node for step in program.steps.values() for node in step.inputs)
        self._shared: set[int] = set()  # numbers of values that several steps read

    def write(self, node: fx.Node, rules: Sequence[Rule], inputs: tuple[fx.Node, ...]) -> None:
        """Write the rules of a step, each of which reads the output of the one before."""
        numbers = tuple(self._numbers[read] for read in inputs)
        self._shared.update(self._numbers[read] for read in inputs if self._n_readers[read] > 1)
        alone = self._shared.isdisjoint(numbers)
        for rule in rules:
            numbers, alone = (self._write(rule, numbers, alone),), True
        self._numbers[node] = numbers[0]

    def _write(self, rule: Rule, inputs: tuple[int, ...], alone: bool) -> int:
        """Write one rule; returns its number. `alone`: no other step reads its inputs."""
        shape = tuple(features(rule.call.output))
        if isinstance(rule, Unchanged) and shape == tuple(features(rule.call.inputs[0])):
            return inputs[0]
        if isinstance(rule, Scale | Sum) and len(inputs) == 1:
            scale, shift = _affine(rule)
            if alone and inputs[0] == len(self.operations) and self._fold(scale, shift):
                return inputs[0]
            operation = Operation("affine", inputs, shape, {}, {"scale": scale, "shift": shift})
        else:
            kind, settings, arrays = _described(rule)
            if kind == "average_pool" and len(shape) == 1:  # a mean without keepdim
                self.operations.append(Operation(kind, inputs, (*shape, 1, 1), settings))
                kind, inputs, settings = "flatten", (len(self.operations),), {}
            operation = Operation(kind, inputs, shape, settings, arrays)
        self.operations.append(operation)
        return len(self.operations)

    def _fold(self, scale: Tensor, shift: Tensor) -> bool:
        """Fold a scale and a shift into the last operation; returns whether that was possible."""
        if not self.operations or self.operations[-1].kind not in ("convolution", "affine"):
            return False
        arrays = self.operations[-1].arrays
        weight, bias = ("weight", "bias") if "weight" in arrays else ("scale", "shift")
        arrays[weight] = arrays[weight] * scale.reshape(-1, *[1] * (arrays[weight].ndim - 1))
        arrays[bias] = arrays[bias] * scale + shift
        return True


def _affine(rule: Rule) -> tuple[Tensor, Tensor]:
    """Scale and shift of each channel, found by computing zeros and ones."""
    shape = features(rule.call.inputs[0])
    if shape != features(rule.call.output):
        raise _NotPortable("it changes the shape, which has no plain form")
    zeros = rule.call.zero.new_zeros(1, *shape, dtype=torch.float64)
    at_zero, at_one = rule.compute(zeros)[0], rule.compute(zeros + 1)[0]
    both = torch.stack([at_one - at_zero, at_zero]).flatten(2 if len(shape) > 1 else 1)
    if both.ndim == 3:
        if (both != both[..., :1]).any():
            raise _NotPortable("its constants differ from pixel to pixel")
        both = both[..., 0]
    scale, shift = both.cpu()
    return scale, shift


def _described(rule: Rule) -> tuple[str, dict[str, tuple[int, int]], Arrays]:
    """Kind, settings and arrays of a rule that is not affine."""
    call, arguments = rule.call, rule.call.arguments
    if isinstance(rule, Convolution):
        if rule.groups != 1 or rule.dilation != (1, 1):
            raise _NotPortable("convolutions with groups or dilation have no plain form")
        settings = {"stride": rule.stride, "padding": rule.padding}
        return "convolution", settings, _weighted(rule.weight, arguments["bias"])
    if isinstance(rule, Dense) and len(features(call.inputs[0])) == 1:
        return "linear", {}, _weighted(rule.weight, arguments["bias"])
    if isinstance(rule, MaxPool) and "kernel_size" in arguments:
        if _two(arguments["dilation"]) == (1, 1):
            return "max_pool", _window(arguments), {}
    elif isinstance(rule, Linear):
        return "average_pool", _averaged(rule), {}
    elif isinstance(rule, Rectifier):
        return "relu", {}, {}
    elif isinstance(rule, Softmax) and "log" not in call.name:
        return "softmax", {}, {}
    elif isinstance(rule, Elementwise) and call.name == "sigmoid":
        return "sigmoid", {}, {}
    elif isinstance(rule, Unchanged) and len(features(call.output)) == 1:
        return "flatten", {}, {}
    elif isinstance(rule, Sum) and _adds(rule):
        return "add", {}, {}
    raise _NotPortable(_NO_FORM)


def _adds(rule: Sum) -> bool:
    """Whether a sum only adds two branches of the same shape."""
    same = len(set(rule.call.inputs)) == 1
    return same and (rule.call.name, rule.call.arguments["alpha"]) == ("add", 1)


def _averaged(rule: Rule) -> dict[str, tuple[int, int]]:
    """Settings of an average pool whose windows cover the plane side by side, without padding."""
    call, arguments = rule.call, rule.call.arguments
    before, after = features(call.inputs[0]), features(call.output)
    if len(before) < 2:
        raise _NotPortable(_NO_FORM)
    tall, wide = before[-2:]
    if call.name == "mean" and len(before) == 3:
        if sorted(dim % len(call.inputs[0]) for dim in arguments["dim"]) == [2, 3]:
            return {"window": (tall, wide), "stride": (tall, wide), "padding": (0, 0)}
    elif "adaptive_avg_pool2d" in call.name:
        window = (tall // after[-2], wide // after[-1])
        if (window[0] * after[-2], window[1] * after[-1]) == (tall, wide):
            return {"window": window, "stride": window, "padding": (0, 0)}
    elif call.name == "avg_pool2d":
        plain = not arguments["ceil_mode"] and arguments["divisor_override"] is None
        if plain and _two(arguments["padding"]) == (0, 0):
            return _window(arguments)
    raise _NotPortable(_NO_FORM)


def _window(arguments: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    window = _two(arguments["kernel_size"])
    stride = _two(arguments["stride"]) if arguments["stride"] else window
    return {"window": window, "stride": stride, "padding": _two(arguments["padding"])}


def _weighted(weight: Tensor, bias: Tensor | None) -> Arrays:
    bias = weight.new_zeros(len(weight)) if bias is None else bias
    arrays = {"weight": weight, "bias": bias}
    return {name: array.cpu().double().contiguous() for name, array in arrays.items()}


def _two(value: Any) -> tuple[int, int]:
    """Both sizes, where PyTorch accepts one number for both."""
    return (value[0], value[-1]) if isinstance(value, Sequence) else (value, value)
