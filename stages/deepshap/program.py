"""From a network to steps that have rules, or a refusal that says what to change."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from .nonlinear import MaxPool
from .operations import OPERATIONS
from .precision import Precision
from .rules import Rule, Saved
from .tracing import Tracer, UnsupportedOperation

_ASKS_SHAPE = {"size", "dim", "ndimension"}


@dataclass(frozen=True)
class Step:
    """One operation that depends on the images.

    Attributes:
        node: Of the traced graph; stands for the operation's output.
        rule: How to compute it and to go back through it.
        args: For the rule, with nodes in place of their values.
        inputs: The nodes among `args` that depend on the images, in order.
    """

    node: fx.Node
    rule: Rule
    args: tuple[Any, ...]
    inputs: tuple[fx.Node, ...]


@dataclass(frozen=True)
class Tile:
    """What a forward pass of some images leaves behind.

    Attributes:
        images: (n, c, h, w).
        outputs: (n, k), in the precision of the forward pass.
        saved: For each step what its rule needs on the way back.
        widths: For each step the number of elements one image has in its inputs and output.
    """

    images: Tensor
    outputs: Tensor
    saved: dict[fx.Node, Saved]
    widths: dict[fx.Node, int]

    def n_bytes(self) -> int:
        """Memory of what is saved, each tensor counted once."""
        tensors = [item for saved in self.saved.values() for item in saved if torch.is_tensor(item)]
        unique = {tensor.data_ptr(): tensor.nbytes for tensor in tensors}
        return sum(unique.values())


class Program:
    """A traced network whose every operation has a rule. It holds the network and changes nothing.

    Args:
        network: In eval mode.

    Raises:
        UnsupportedOperation: The network cannot be traced, or holds an operation without a rule.
    """

    def __init__(self, network: nn.Module) -> None:
        self._network = network
        tracer = Tracer()
        self._graph = tracer.trace(network)
        self._constants = tracer.constants
        self._weights: dict[fx.Node, tuple[Any, Any]] = {}
        self.source, self.sink = self._ends()
        _pool_before_relu(self._graph)
        self.steps: dict[fx.Node, Step] = {}
        for node in self._graph.nodes:
            self._refuse_overwriting(node)
            varying = [arg for arg in node.all_input_nodes if self._varies(arg)]
            if varying and node.op != "output" and not _asks_shape(node):
                self.steps[node] = self._step(node)

    def run(self, images: Tensor) -> Tile:
        """Compute the outputs of (n, c, h, w) images, and keep what the way back needs.

        Computes in float64 where the device has it, and keeps in the images' dtype.

        Raises:
            UnsupportedOperation: A rule refuses the shapes it meets.
        """
        values: dict[fx.Node, Any] = {}
        saved: dict[fx.Node, Saved] = {}
        widths: dict[fx.Node, int] = {}
        precision = Precision(images)
        for node in self._graph.nodes:
            if node is self.source:
                values[node] = precision.widened(images)
            elif node in self.steps:
                step = self.steps[node]
                values[node], left = self._forward(step, values)
                saved[node] = left if step.rule.keeps_precision else precision.narrowed(left)
                widths[node] = sum(values[at].numel() for at in (node, *step.inputs)) // len(images)
            elif node.op == "get_attr":
                values[node] = self._weight(node, precision)
            elif node.op != "output":
                values[node] = precision.widened(self._plain(node, values))
        return Tile(images, values[self.sink], saved, widths)

    def _ends(self) -> tuple[fx.Node, fx.Node]:
        inputs = [n for n in self._graph.nodes if n.op == "placeholder" and not n.args]
        (output,) = (n for n in self._graph.nodes if n.op == "output")
        if len(inputs) != 1 or not isinstance(output.args[0], fx.Node):
            raise UnsupportedOperation(
                "forward",
                type(self._network).__name__,
                "it must take one tensor of images and return one tensor (n, k)",
            )
        return inputs[0], output.args[0]

    def _varies(self, node: fx.Node) -> bool:
        return node is self.source or node in self.steps

    def _step(self, node: fx.Node) -> Step:
        rule = OPERATIONS.get(node.target)
        if rule is None:
            raise self._refusal(node, "no rule for it; use an operation that has one")
        try:
            bound = inspect.signature(rule.apply).bind(*node.args, **node.kwargs)
        except TypeError as error:
            raise self._refusal(node, f"no rule for such a call ({error})") from error
        bound.apply_defaults()
        leaves = list(_leaves(bound.args))
        varies = [isinstance(leaf, fx.Node) and self._varies(leaf) for leaf in leaves]
        try:
            rule = rule.bound(varies)
        except NotImplementedError as error:
            raise self._refusal(node, str(error)) from error
        if rule.only_last and (node is not self.sink or len(node.users) != 1):
            raise self._refusal(node, "its rule holds for the network's output alone")
        inputs = tuple(leaf for leaf, varies in zip(leaves, varies, strict=True) if varies)
        return Step(node, rule, bound.args, inputs)

    def _forward(self, step: Step, values: dict[fx.Node, Any]) -> tuple[Tensor, Saved]:
        try:
            output, saved = step.rule.forward(*fx.map_arg(step.args, values.__getitem__))
            if output.ndim == 0 or len(output) != len(values[self.source]):
                raise NotImplementedError("its first axis must stay the images; it mixes them")
        except NotImplementedError as error:
            raise self._refusal(step.node, str(error)) from error
        return output, saved

    def _weight(self, node: fx.Node, precision: Precision) -> Any:
        """A parameter, buffer or constant, widened once for all runs."""
        if node not in self._weights:
            path = str(node.target)
            if path in self._constants:
                weight: Any = self._constants[path]
            else:
                weight = functools.reduce(getattr, path.split("."), self._network)
            self._weights[node] = precision.widened(weight), weight
        return precision.known(*self._weights[node])

    def _plain(self, node: fx.Node, values: dict[fx.Node, Any]) -> Any:
        """Compute what needs no rule: constants, shapes, and arithmetic on them."""
        args, kwargs = fx.map_arg((node.args, node.kwargs), values.__getitem__)
        if node.op == "placeholder":
            return args[0]
        if node.op == "call_method":
            return getattr(args[0], str(node.target))(*args[1:], **kwargs)
        assert callable(node.target)
        return node.target(*args, **kwargs)

    def _refuse_overwriting(self, node: fx.Node) -> None:
        """Refuse an in-place operation whose input is read again: here it would be unchanged."""
        if not _in_place(node):
            return
        order = list(self._graph.nodes)
        overwritten = node.all_input_nodes[0]
        if any(order.index(user) > order.index(node) for user in overwritten.users):
            raise self._refusal(
                node, "it overwrites its input, which is read again later; use inplace=False"
            )

    def _refusal(self, node: fx.Node, advice: str) -> UnsupportedOperation:
        stack = list((node.meta.get("nn_module_stack") or {}).values())
        path, kind = stack[-1] if stack else ("", type(self._network))
        place = f"{path} ({kind.__name__})" if path else f"{kind.__name__}.forward"
        operation = re.sub(r"_\d+$", "", node.name)
        return UnsupportedOperation(operation, place, advice)


def _pool_before_relu(graph: fx.Graph) -> None:
    """Let ReLU follow max pooling where it goes before: the same values from a smaller plane.

    Both only compare, so they commute; and the two changes' ratios have the same product.
    """
    rectify = OPERATIONS[F.relu]
    for pool in list(graph.nodes):
        if not isinstance(OPERATIONS.get(pool.target), MaxPool) or not pool.all_input_nodes:
            continue
        activation = pool.all_input_nodes[0]
        if OPERATIONS.get(activation.target) is rectify and len(activation.users) == 1:
            before = activation.all_input_nodes[0]
            pool.replace_input_with(activation, before)
            pool.replace_all_uses_with(activation)
            activation.replace_input_with(before, pool)
            pool.append(activation)


def _asks_shape(node: fx.Node) -> bool:
    if node.op == "call_method":
        return node.target in _ASKS_SHAPE
    return node.target is getattr and node.args[1] in {"shape", "ndim", "device", "dtype"}


def _in_place(node: fx.Node) -> bool:
    rule = OPERATIONS.get(node.target)
    if rule is None or node.op not in {"call_function", "call_method"}:
        return False
    name = node.target if isinstance(node.target, str) else node.target.__name__
    try:
        bound = inspect.signature(rule.apply).bind(*node.args, **node.kwargs)
    except TypeError:
        return False
    return name.endswith("_") or bool(bound.arguments.get("inplace"))


def _leaves(args: Any) -> Iterator[Any]:
    if isinstance(args, list | tuple):
        for arg in args:
            yield from _leaves(arg)
    else:
        yield args


def check_faithful(program: Program, network: nn.Module, images: Tensor) -> None:
    """Compare the traced network with the network itself on a few images.

    Raises:
        UnsupportedOperation: They differ: the trace does not hold what the network does.
    """
    expected = network(images.clone())
    computed = program.run(images).outputs.to(expected.dtype)
    scale = float(expected.abs().max())
    if not torch.allclose(computed, expected, rtol=1e-3, atol=1e-3 * scale):
        raise UnsupportedOperation(
            "forward",
            type(network).__name__,
            "traced by torch.fx it computes something else; the usual cause is an operation that "
            "overwrites a tensor read again later: use inplace=False and x = x + y for x += y",
        )
