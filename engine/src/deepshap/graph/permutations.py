"""Moves permutations behind elementwise operations, where they meet their inverse and vanish.

Networks that keep channels last permute their activations around each convolution and pool, as
Keras's do on PyTorch. Without the permutations they are the same steps as networks with channels
first, and as fast.
"""

from typing import Any

import torch
from torch import fx

from deepshap.graph.export import Exported, name_of

_aten = torch.ops.aten
_ELEMENTWISE = """
abs add clamp div elu erf exp gelu hardsigmoid hardswish hardtanh leaky_relu log maximum minimum
mish mul neg pow relu relu6 rsqrt rsub sigmoid silu softplus sqrt square sub tanh
"""
_NEEDS_CONTIGUOUS = ("view", "_unsafe_view")


def sink_permutations(program: Exported) -> None:
    """Rewrite an exported program in place; its values stay the same."""
    elementwise, varying = set(_ELEMENTWISE.split()), {program.source}
    for node in list(program.graph.nodes):
        if varying.isdisjoint(node.all_input_nodes):
            continue
        varying.add(node)
        if node is program.sink:
            continue
        if name_of(node) == "permute":
            _merge(node)
        elif name_of(node) == "clone":
            _drop_copy(node)
        elif name_of(node) in elementwise:
            varying.update(_sunk(program.graph, node, varying))
    program.graph.eliminate_dead_code()


def _order(permutation: fx.Node) -> list[int]:
    """Which axis of its input each axis is."""
    axes: list[int] = permutation.args[1]  # type: ignore[assignment]
    return [axis % len(axes) for axis in axes]


def _inverse(order: list[int]) -> list[int]:
    return sorted(range(len(order)), key=order.__getitem__)


def _merge(second: fx.Node) -> None:
    """Merge a permutation with the one before it, and leave it out if nothing is left to do."""
    order = _order(second)
    before: Any = second.args[0]
    if name_of(before) == "permute":
        first = _order(before)
        order = [first[axis] for axis in order]
        before = before.args[0]
    second.args = (before, order)
    if order == sorted(order):
        second.replace_all_uses_with(before)


def _drop_copy(copy: fx.Node) -> None:
    """Leave out a copy, unless a reader depends on its layout in memory."""
    if not any(name_of(user) in _NEEDS_CONTIGUOUS for user in copy.users):
        copy.replace_all_uses_with(copy.args[0])  # type: ignore[arg-type]


def _sunk(graph: fx.Graph, node: fx.Node, varying: set[fx.Node]) -> list[fx.Node]:
    """Compute a node before the permutation that all its varying inputs have, if there is one.

    Returns:
        The new nodes that vary.
    """
    moving = [arg for arg in node.all_input_nodes if arg in varying]
    orders = {tuple(_order(arg)) if name_of(arg) == "permute" else () for arg in moving}
    order, n_axes = list(orders.pop()), node.meta["val"].ndim
    if orders or len(order) != n_axes:
        return []
    inverse = _inverse(order)
    with graph.inserting_before(node):
        args, kwargs = fx.map_arg(
            (node.args, node.kwargs),
            lambda arg: arg.args[0] if arg in moving else _permuted(graph, arg, inverse),
        )
        before = graph.create_node("call_function", node.target, args, kwargs)
        before.meta = {**node.meta, "val": node.meta["val"].permute(inverse)}
        after = graph.call_function(_aten.permute.default, (before, order))
        after.meta = node.meta
    node.replace_all_uses_with(after)
    return [before, after]


def _permuted(graph: fx.Graph, constant: fx.Node, order: list[int]) -> fx.Node:
    """A constant, with axes in front as broadcasting adds them, permuted."""
    value = constant.meta["val"]
    if value.ndim == 0:
        return constant
    sides = [1] * (len(order) - value.ndim) + list(value.shape)
    aligned = graph.call_function(_aten.reshape.default, (constant, sides))
    aligned.meta = {"val": value.reshape(sides)}
    permuted = graph.call_function(_aten.permute.default, (aligned, order))
    permuted.meta = {"val": aligned.meta["val"].permute(order)}
    return permuted
