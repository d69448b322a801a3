"""Exports a network as a graph of ATen operations on one image.

`torch.export` runs the network once on a single image and records its operations. Functions,
methods and modules arrive as the same operations, in-place operations as functions that return the
changed tensor. With a single image, no rule has to follow the batch axis.
"""

import contextlib
import io
import operator
import traceback
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as pytree

from deepshap.graph.decompositions import decomposition_table
from deepshap.graph.layers import named_layers, recordable_layers


class UnsupportedOperation(NotImplementedError):
    """The network contains an operation without a rule, or cannot be exported.

    Attributes:
        operation: Name of the operation, `sort` for instance; `forward` if the network as a whole
            is the problem.
        module_path: Path and class of the module that calls it, as in `features.3 (Attention)`.
        advice: The problem, and what to use instead.
    """

    def __init__(self, operation: str, module_path: str, advice: str) -> None:
        super().__init__(f"{operation} at {module_path}: {advice}")
        self.operation = operation
        self.module_path = module_path
        self.advice = advice


@dataclass(frozen=True)
class Exported:
    """A network, exported on one image.

    Attributes:
        graph: The graph of ATen operations.
        tensors: The network's parameters, buffers and constants, by node.
        source: The node of the image.
        sink: The node of the output.
    """

    graph: fx.Graph
    tensors: dict[fx.Node, Tensor]
    source: fx.Node
    sink: fx.Node


SCRIPTED = "torch.export cannot read a ScriptModule; use the module that it was made from"
_KNOWN_FAILURES = {
    SCRIPTED: SCRIPTED,
    "data-dependent": "its control flow depends on the values of the images, as in "
    "`if x.max() > 1`, `assert x.min() >= 0` or `float(x.mean())`; run the same operations for all",
    ".numpy() is not supported": "it hands the images to NumPy; compute with PyTorch only",
    "storage": "it replaces the memory of a tensor, as some autograd Functions do; use operations "
    "that return new tensors",
}
"""What a failure of the exporter means, by a part of its message."""
OTHER_ADVICE = "write it with other operations of PyTorch, or leave it out"


def exported(network: nn.Module, image: Tensor) -> Exported:
    """Export a network on one image, (1, c, h, w).

    The export may replace what the network's attributes hold; `untouched` restores it.

    Raises:
        UnsupportedOperation: The network cannot be exported.
    """
    with named_layers(network), recordable_layers(network), _RecordableData():
        try:
            with _quietly():
                program = torch.export.export(network, (image,), strict=False)
                program = program.run_decompositions(decomposition_table())
        except Exception as error:  # the exporter and the network may raise anything
            reason = SCRIPTED if _in_script(error) else reason_of(error)
            other = f"torch.export cannot record it ({reason}); {OTHER_ADVICE}"
            advice = next((text for part, text in _KNOWN_FAILURES.items() if part in reason), other)
            raise refusal(error, network, advice) from error
    graph, signature = program.graph_module.graph, program.graph_signature
    tensors = {}
    known = {**program.state_dict, **program.constants}
    named = {
        **signature.inputs_to_parameters,
        **signature.inputs_to_buffers,
        **signature.inputs_to_lifted_tensor_constants,
    }
    sources = []
    for node in graph.nodes:
        if node.op == "placeholder" and node.name in named:
            tensors[node] = known[named[node.name]].detach()
        elif node.op == "placeholder" and node.name in signature.user_inputs:
            sources.append(node)
        elif node.op == "get_attr":
            tensors[node] = getattr(program.graph_module, node.target).detach()
    (output,) = (node for node in graph.nodes if node.op == "output")
    sinks = [n for n in pytree.tree_leaves(output.args) if n.name in signature.user_outputs]
    if len(sources) != 1 or len(sinks) != 1:
        raise UnsupportedOperation(
            "forward",
            type(network).__name__,
            "it must take one tensor of images and return one tensor (n, k)",
        )
    output.args = (sinks[0],)  # drops updates of buffers
    for node in reversed(graph.nodes):
        if name_of(node).startswith("_assert"):  # a property that the export has checked
            graph.erase_node(node)
    graph.eliminate_dead_code()
    return Exported(graph, tensors, sources[0], sinks[0])


def name_of(node: fx.Node) -> str:
    """The name of the ATen operation that a node calls, without its overload."""
    if node.target is operator.getitem:
        return name_of(node.args[0]) if isinstance(node.args[0], fx.Node) else "getitem"
    packet = getattr(node.target, "overloadpacket", None)
    return str(node.target if packet is None else packet.__name__)


def module_path_of(node: fx.Node, network: nn.Module) -> str:
    """Path and class of the module that a node comes from, as in `features.3 (Attention)`."""
    for path, kind in reversed((node.meta.get("nn_module_stack") or {}).values()):
        name = kind if isinstance(kind, str) else kind.__name__
        return (
            f"{path} ({name.rpartition('.')[2]})" if path else f"{name.rpartition('.')[2]}.forward"
        )
    return f"{type(network).__name__}.forward"


def reason_of(error: BaseException) -> str:
    """The first line of an error's message, or its class if it has none."""
    kind = type(error).__name__
    first = next(iter(str(error).strip().splitlines()), kind)
    return f"{kind}: {first}" if isinstance(error, KeyError) else first


def refusal(error: BaseException, network: nn.Module, advice: str) -> UnsupportedOperation:
    """A refusal that names the innermost operation or module that was running at an error."""
    paths = {module: path for path, module in network.named_modules()}
    operation, place = "forward", f"{type(network).__name__}.forward"
    frame = error.__traceback__
    while frame is not None:
        module = frame.tb_frame.f_locals.get("self")
        if isinstance(module, nn.Module) and paths.get(module):
            operation, place = "forward", f"{paths[module]} ({type(module).__name__})"
        for value in frame.tb_frame.f_locals.values():
            if isinstance(value, fx.Node) and value.meta.get("nn_module_stack"):
                operation, place = name_of(value), module_path_of(value, network)
        frame = frame.tb_next
    return UnsupportedOperation(operation, place, advice)


def _in_script(error: BaseException) -> bool:
    """Whether a ScriptModule was running at an error; it may be hidden from the network."""
    frames = (frame for frame, _ in traceback.walk_tb(error.__traceback__))
    return any(
        isinstance(value, torch.jit.ScriptModule)
        for frame in frames
        for value in frame.f_locals.values()
    )


class _RecordableData(TorchFunctionMode):
    """Reads `tensor.data`, which the exporter cannot record, as `tensor.detach()`."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if func == Tensor.data.__get__:  # type: ignore[attr-defined]  # a descriptor of C code
            return args[0].detach()
        return func(*args, **(kwargs or {}))


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Switch off fused fast paths, which have no rules, and the exporter's own messages."""
    fused: Any = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)
