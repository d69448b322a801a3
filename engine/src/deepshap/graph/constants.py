"""Values that do not depend on the images, computed once in float64."""

from typing import Any

import torch
from torch import Tensor, fx
from torch.utils import _pytree as pytree

from deepshap.graph.export import name_of
from deepshap.precision import Precision
from deepshap.rules.table import SHAPE_READERS


class Constants:
    """Values of the nodes that do not depend on the images.

    Args:
        tensors: The network's parameters, buffers and constants, by node.
        precision: The dtypes to compute in and to keep.
    """

    def __init__(self, tensors: dict[fx.Node, Tensor], precision: Precision) -> None:
        self._precision = precision
        self._wide: dict[fx.Node, Any] = {}
        self._narrow = {node: precision.narrowed(tensor) for node, tensor in tensors.items()}
        self._tensors = tensors

    def __contains__(self, node: fx.Node) -> bool:
        return node in self._wide or node in self._narrow

    def wide(self, node: fx.Node) -> Any:
        """The value in the dtype of the forward pass."""
        if node not in self._wide:
            self._wide[node] = self._precision.widened(self._tensors[node])
        return self._wide[node]

    def narrow(self, node: fx.Node) -> Any:
        """The value in the images' dtype."""
        if node not in self._narrow:
            self._narrow[node] = self._precision.narrowed(self._wide[node])
        return self._narrow[node]

    def fold(self, node: fx.Node) -> bool:
        """Compute a node if nothing it reads depends on the images; returns whether it did."""
        shapes = node.args[:1] if name_of(node) in SHAPE_READERS else ()
        if not all(arg in self or arg in shapes for arg in node.all_input_nodes):
            return False
        args, kwargs = fx.map_arg((node.args, node.kwargs), self._value_or_zeros)
        assert callable(node.target)
        with torch.no_grad():
            value = node.target(*args, **kwargs)
        self._wide[node] = pytree.tree_map(self._precision.widened, value)
        return True

    def _value_or_zeros(self, node: fx.Node) -> Any:
        if node in self:
            return self.wide(node)
        return self._precision.widened(
            torch.zeros(node.meta["val"].shape, device=node.meta["val"].device)
        )
