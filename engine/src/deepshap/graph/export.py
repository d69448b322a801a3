"""Exports a network as a graph of ATen operations on one image.

`torch.export` runs the network once on a single image and records its operations. Functions,
methods and modules arrive as the same operations, in-place operations as functions that return the
changed tensor. With a single image, no rule has to follow the batch axis.
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


def exported(network: nn.Module, image: Tensor) -> Exported:
    """Export a network on one image, (1, c, h, w), without changing the network.

    Raises:
        UnsupportedOperation: The network cannot be exported.
    """
    try:
        with _quietly():
            program = torch.export.export(network, (image,), strict=False)
            program = program.run_decompositions(DECOMPOSITIONS)
    except Exception as error:  # the exporter and the network may raise anything
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UnsupportedOperation(
            "forward",
            _failed_module_path(error, network),
            f"torch.export cannot trace it ({reason}); its control flow must not depend on the "
            "values of the images, and it must compute with PyTorch only",
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
    output.args = (sinks[0],)  # drops updates of buffers
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


def _failed_module_path(error: BaseException, network: nn.Module) -> str:
    """Path and class of the innermost module that was running when an export failed."""
    paths = {module: path for path, module in network.named_modules()}
    found, frame = type(network).__name__, error.__traceback__
    while frame is not None:
        module = frame.tb_frame.f_locals.get("self")
        if isinstance(module, nn.Module) and paths.get(module):
            found = f"{paths[module]} ({type(module).__name__})"
        frame = frame.tb_next
    return found


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
