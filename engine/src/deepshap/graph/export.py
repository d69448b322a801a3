"""From a network to a graph of ATen operations on one image.

`torch.export` runs the network once on a single image and records what it does: functions, methods
and modules arrive as the same operations, in-place ones as functions of what they change, and
there is no image axis to follow. Whatever does not depend on the image is a constant.
"""

import contextlib
import io
import operator
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.utils import _pytree as pytree

from deepshap.graph.decompositions import DECOMPOSITIONS


class UnsupportedOperation(NotImplementedError):
    """The network holds an operation without a rule.

    Args:
        operation: What is called.
        place: Where in the network.
        advice: What is wrong with it, and what to use instead.
    """

    def __init__(self, operation: str, place: str, advice: str) -> None:
        super().__init__(f"{operation} at {place}: {advice}")
        self.operation = operation
        self.place = place
        self.advice = advice


@dataclass(frozen=True)
class Exported:
    """A network on one image.

    Attributes:
        graph: Of ATen operations.
        tensors: The network's parameters, buffers and constants, by their nodes.
        source: The node of the image.
        sink: The node of the output.
    """

    graph: fx.Graph
    tensors: dict[fx.Node, Tensor]
    source: fx.Node
    sink: fx.Node


def exported(network: nn.Module, image: Tensor) -> Exported:
    """Record what the network does to one image, (1, c, h, w). It is left as it was.

    Raises:
        UnsupportedOperation: The network cannot be exported.
    """
    try:
        with _quietly():
            program = torch.export.export(network, (image,), strict=False)
            program = program.run_decompositions(DECOMPOSITIONS)
    except Exception as error:  # whatever the exporter or the network raises
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UnsupportedOperation(
            "forward",
            _place_of(error, network),
            f"torch.export cannot follow it ({reason}); what it does must not depend on the values "
            "of the images, and must stay within PyTorch",
        ) from error
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
        elif node.op == "placeholder":
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
    output.args = (sinks[0],)  # and not what the network would write to its buffers
    graph.eliminate_dead_code()
    return Exported(graph, tensors, sources[0], sinks[0])


def name_of(node: fx.Node) -> str:
    """The name of the ATen operation that a node calls, without its overload."""
    if node.target is operator.getitem:
        return name_of(node.args[0]) if isinstance(node.args[0], fx.Node) else "getitem"
    packet = getattr(node.target, "overloadpacket", None)
    return str(node.target if packet is None else packet.__name__)


def place_of(node: fx.Node, network: nn.Module) -> str:
    """Where in the network a node stems from, as in `features.3 (Attention)`."""
    for path, kind in reversed((node.meta.get("nn_module_stack") or {}).values()):
        name = kind if isinstance(kind, str) else kind.__name__
        return (
            f"{path} ({name.rpartition('.')[2]})" if path else f"{name.rpartition('.')[2]}.forward"
        )
    return f"{type(network).__name__}.forward"


def _place_of(error: BaseException, network: nn.Module) -> str:
    """The innermost module that was running when an export failed."""
    paths = {module: path for path, module in network.named_modules()}
    place, frame = type(network).__name__, error.__traceback__
    while frame is not None:
        module = frame.tb_frame.f_locals.get("self")
        if isinstance(module, nn.Module) and paths.get(module):
            place = f"{paths[module]} ({type(module).__name__})"
        frame = frame.tb_next
    return place


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Export without fused fast paths, which have no rules, and without the exporter's output."""
    fused: Any = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)
