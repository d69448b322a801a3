"""Rewrites the exported graph to compute the same function with a cheaper backward pass."""

from typing import Any

import torch
from torch import Tensor, fx

from deepshap.graph.export import Exported, name_of
from deepshap.graph.permutations import sink_permutations

_aten = torch.ops.aten
_CHANNELS = {"conv2d": -3, "linear": -1}
"""Layers that a factor can be folded into, with the channel axis of their output."""


def simplify(program: Exported) -> None:
    """Rewrite an exported program in place."""
    sink_permutations(program)
    _pool_before_relu(program.graph)
    _scale_weights(program)


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


def _scale_weights(program: Exported) -> None:
    """Fold a constant factor per channel, such as that of a batch norm, into the layer before it.

    This saves one pass over the multipliers for each batch norm.
    """
    varying = {program.source}
    for node in list(program.graph.nodes):
        if varying.isdisjoint(node.all_input_nodes):
            continue
        varying.add(node)
        if name_of(node) != "mul" or node is program.sink:
            continue
        layer, factor = sorted(node.args, key=lambda factor: factor not in varying)
        if _scales_channels(factor, layer) and varying.isdisjoint([factor, *layer.args[1:3]]):
            varying.add(_folded(program.graph, node, layer, factor))


def _scales_channels(factor: Any, layer: Any) -> bool:
    """Whether a factor has one number per channel of a layer whose output is used only here."""
    if not isinstance(factor, fx.Node) or name_of(layer) not in _CHANNELS:
        return False
    if not isinstance(factor.meta["val"], Tensor):
        return False
    sides, axis = factor.meta["val"].shape, _CHANNELS[name_of(layer)]
    per_channel = len(sides) >= -axis and sides[axis] == sides.numel()
    return len(layer.users) == 1 and per_channel and sides.numel() == layer.meta["val"].shape[axis]


def _folded(graph: fx.Graph, product: fx.Node, layer: fx.Node, factor: fx.Node) -> fx.Node:
    """Replace the product of a layer and a factor with one layer."""
    rest: tuple[Any, ...] = (*layer.args, None)[: max(3, len(layer.args))]
    x, weight, bias, *settings = rest
    target: Any = layer.target
    with graph.inserting_before(product):

        def scaled(tensor: fx.Node) -> fx.Node:
            sides = (-1,) + (1,) * (tensor.meta["val"].ndim - 1)
            column = graph.call_function(_aten.view.default, (factor, sides))
            return graph.call_function(_aten.mul.Tensor, (tensor, column))

        bias = None if bias is None else scaled(bias)
        folded = graph.call_function(target, (x, scaled(weight), bias, *settings))
    folded.meta = layer.meta
    product.replace_all_uses_with(folded)
    graph.erase_node(product)
    graph.erase_node(layer)
    return folded
