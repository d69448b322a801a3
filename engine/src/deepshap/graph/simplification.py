"""Rewrites the exported graph to compute the same function with a cheaper backward pass."""

from typing import Any

import torch
from torch import Tensor, fx

from deepshap.graph.export import Exported, name_of
from deepshap.graph.permutations import sink_permutations

_aten = torch.ops.aten
_CHANNELS = {"conv2d": -3, "linear": -1}
"""Layers that a constant can be folded into, with the channel axis of their output."""


def simplify(program: Exported) -> None:
    """Rewrite an exported program in place."""
    sink_permutations(program)
    _pool_before_relu(program.graph)
    _fold_batch_norms(program)


def _pool_before_relu(graph: fx.Graph) -> None:
    """Move a ReLU from in front of a max pool to behind it, where the plane is smaller.

    Both only compare values, so they commute, and the product of their two ratios stays the same.
    """
    for pool in list(graph.nodes):
        if name_of(pool) != "max_pool2d":
            continue
        activation = pool.args[0]
        if name_of(activation) == "relu" and len(activation.users) == 1:
            before = activation.args[0]
            pool.replace_input_with(activation, before)
            pool.replace_all_uses_with(activation)
            activation.replace_input_with(before, pool)
            pool.append(activation)
            activation.meta["val"] = pool.meta["val"]


def _fold_batch_norms(program: Exported) -> None:
    """Fold a constant factor or summand per channel, as of a batch norm, into the layer before it.

    This saves a pass over the multipliers for each factor, and one over the activations for both.
    """
    varying = {program.source}
    for node in list(program.graph.nodes):
        if varying.isdisjoint(node.all_input_nodes):
            continue
        varying.add(node)
        if name_of(node) not in ("mul", "add") or node.kwargs or node is program.sink:
            continue
        layer, constant = sorted(node.args, key=lambda each: each not in varying)
        if _fits_channels(constant, layer) and varying.isdisjoint([constant, *layer.args[1:3]]):
            varying.add(_folded(program.graph, node, layer, constant))


def _fits_channels(constant: Any, layer: Any) -> bool:
    """Whether it has one number per channel of a layer whose output is used only here."""
    if not isinstance(constant, fx.Node) or name_of(layer) not in _CHANNELS:
        return False
    if not isinstance(constant.meta["val"], Tensor):
        return False
    sides, axis = constant.meta["val"].shape, _CHANNELS[name_of(layer)]
    per_channel = len(sides) >= -axis and sides[axis] == sides.numel()
    return len(layer.users) == 1 and per_channel and sides.numel() == layer.meta["val"].shape[axis]


def _folded(graph: fx.Graph, node: fx.Node, layer: fx.Node, constant: fx.Node) -> fx.Node:
    """Replace a layer and the product or sum behind it with one layer."""
    rest: tuple[Any, ...] = (*layer.args, None)[: max(3, len(layer.args))]
    x, weight, bias, *settings = rest
    target: Any = layer.target
    with graph.inserting_before(node):

        def column(n_axes: int) -> fx.Node:
            return graph.call_function(_aten.view.default, (constant, (-1,) + (1,) * (n_axes - 1)))

        if name_of(node) == "mul":
            meta = weight.meta
            factor = column(meta["val"].ndim)
            weight = graph.call_function(_aten.mul.Tensor, (weight, factor))
            weight.meta = meta
            if bias is not None:
                bias = graph.call_function(_aten.mul.Tensor, (bias, column(1)))
        elif bias is None:
            bias = column(1)
        else:
            bias = graph.call_function(_aten.add.Tensor, (bias, column(1)))
        folded = graph.call_function(target, (x, weight, bias, *settings))
    folded.meta = layer.meta
    node.replace_all_uses_with(folded)
    graph.erase_node(node)
    graph.erase_node(layer)
    return folded
