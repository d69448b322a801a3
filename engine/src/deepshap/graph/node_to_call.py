"""Turns a node of the exported graph into a `Call`, from which a rule can be made."""

import functools
import operator
from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor, fx
from torch.utils import _pytree as pytree

from deepshap.graph.constants import Constants
from deepshap.graph.export import name_of
from deepshap.rules.base import Call


def call_from_node(
    node: fx.Node, constants: Constants, zero: Tensor
) -> tuple[Call, tuple[fx.Node, ...]]:
    """A node's call, and the nodes it reads that depend on the images.

    An operation that returns a tuple and the `getitem` node that picks one output are one call.

    Args:
        node: A node of the exported graph.
        constants: Values of the nodes that do not depend on the images.
        zero: A zero in the images' dtype and on their device.
    """
    source, output_index = node.args if node.target is operator.getitem else (node, None)
    assert isinstance(source, fx.Node)
    arguments, n_positional = _arguments(source)
    names = [name for name, value in arguments.items() for _ in pytree.tree_leaves(value)]
    leaves, spec = pytree.tree_flatten(arguments)
    at = [i for i, x in enumerate(leaves) if isinstance(x, fx.Node) and x not in constants]

    def filled(value_of: Callable[[fx.Node], Any], varying: Sequence[Any]) -> dict[str, Any]:
        values = [value_of(x) if isinstance(x, fx.Node) and x in constants else x for x in leaves]
        for i, value in zip(at, varying, strict=True):
            values[i] = value
        result: dict[str, Any] = pytree.tree_unflatten(values, spec)
        return result

    varying_names = [names[i] for i in at]
    nested = not all(isinstance(arguments[name], fx.Node) for name in varying_names)

    def function(value_of: Callable[[fx.Node], Any]) -> Callable[..., Tensor]:
        @functools.cache
        def constant() -> dict[str, Any]:
            return filled(value_of, [None] * len(at))

        def apply(*varying: Tensor) -> Tensor:
            if nested:  # a list of tensors; filling it takes longer than a small operation
                values = filled(value_of, varying)
            else:
                values = {**constant(), **dict(zip(varying_names, varying, strict=True))}
            ordered = list(values.values())[:n_positional]
            named = dict(list(values.items())[n_positional:])
            output = source.target(*ordered, **named)  # type: ignore[operator]
            result: Tensor = output if output_index is None else output[output_index]
            return result

        return apply

    inputs = tuple(leaves[i] for i in at)
    call = Call(
        name=name_of(node),
        output_index=output_index if isinstance(output_index, int) else 0,
        function=function(constants.wide),
        narrow=function(constants.narrow),
        arguments=filled(constants.narrow, [None] * len(at)),
        varying=tuple(varying_names),
        inputs=tuple(x.meta["val"].shape for x in inputs),
        output=node.meta["val"].shape,
        zero=zero,
    )
    return call, inputs


def _arguments(node: fx.Node) -> tuple[dict[str, Any], int]:
    """All arguments of a call by name, and how many of them are positional."""
    # Exported nodes call operators with a schema; the annotated type of `target` is wider.
    schema = node.target._schema.arguments  # type: ignore[union-attr]
    arguments = {argument.name: argument.default_value for argument in schema}
    arguments.update(zip(arguments, node.args, strict=False))
    arguments.update(node.kwargs)
    return arguments, sum(not argument.kwarg_only for argument in schema)
