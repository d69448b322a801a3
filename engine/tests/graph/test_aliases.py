"""Other names of an operation work wherever the operation does."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from deepshap import DeepShap
from deepshap.graph.decompositions import decomposition_table
from deepshap.rules.table import OPERATIONS

from ..networks import Function, images


def aliases() -> dict[str, str]:
    """ATen names with another name of the same function, as PyTorch's documentation pairs them."""
    found = {}
    for module, prefix in ((torch, ""), (Tensor, ""), (torch.special, "special_")):
        for name in dir(module):
            text = str(getattr(getattr(module, name), "__doc__", ""))
            match = re.search(r"Alias (?:for|of) :\w+:`~?(?:torch\.)?([\w.]+)", text)
            if match and not name.endswith("_"):
                other = match[1].removeprefix("Tensor.").replace(".", "_")
                found |= {prefix + name: other, other: prefix + name}
    return {name: other for name, other in found.items() if hasattr(torch.ops.aten, name)}


ALIASES = {alias: name for alias, name in aliases().items() if name in OPERATIONS}


def test_the_aliases_are_found() -> None:
    known = {"subtract": "sub", "absolute": "abs", "concat": "cat", "special_expit": "sigmoid"}
    assert known.items() <= ALIASES.items()
    assert len(ALIASES) > 20


@pytest.mark.parametrize("alias", ALIASES)
def test_every_alias_of_an_operation_with_a_rule_is_decomposed(alias: str) -> None:
    table, packet = decomposition_table(), getattr(torch.ops.aten, alias)
    for overload in packet.overloads():
        operation = getattr(packet, overload)
        schema = operation._schema
        is_view = any(each.alias_info for each in schema.returns)  # always decomposed by the export
        if not (schema.is_mutable or is_view or "names" in overload):
            assert alias in OPERATIONS or operation in table, operation


FUNCTIONS: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]] = {
    "subtract": (lambda x: torch.subtract(2, x), lambda x: 2 - x),
    "multiply": (lambda x: torch.multiply(x, x), lambda x: x * x),
    "divide": (lambda x: torch.divide(x, 3), lambda x: x / 3),
    "true_divide": (lambda x: x.true_divide(3), lambda x: x / 3),
    "negative": (torch.negative, lambda x: -x),
    "absolute": (torch.absolute, torch.abs),
    "clip": (lambda x: x.clip(0.2, 0.7), lambda x: x.clamp(0.2, 0.7)),
    "arctan": (torch.arctan, torch.atan),
    "concat": (lambda x: torch.concat([x, x], 1), lambda x: torch.cat([x, x], 1)),
    "expit": (torch.special.expit, torch.sigmoid),
    "moveaxis": (lambda x: x.moveaxis(1, 2), lambda x: x.movedim(1, 2)),
    "swapdims": (lambda x: x.swapdims(2, 3), lambda x: x.transpose(2, 3)),
    "diagonal": (torch.linalg.diagonal, lambda x: x.diagonal(0, -2, -1)),
    "greater": (lambda x: x * torch.greater(x, 0.5), lambda x: x * (x > 0.5)),
    "in place": (lambda x: x.clone().multiply_(2).clip_(0.2), lambda x: (x * 2).clamp(0.2)),
}


def test_an_alias_has_the_attributions_of_its_operation() -> None:
    x, background = images(2, torch.float64), images(3, torch.float64, seed=2)

    def explained(at: int) -> Tensor:
        def forward(net: nn.Module, x: Tensor) -> Tensor:
            x = x[..., :3, :3]
            return torch.cat([pair[at](x).flatten(1) for pair in FUNCTIONS.values()], 1)

        return DeepShap(Function(forward).eval(), background).attribute(x)

    assert torch.equal(explained(0), explained(1))
