"""Operations in terms of simpler ones that have rules.

The rules of the simpler operations compose to the closed form of the whole.
"""

from collections.abc import Callable
from typing import Any

import torch

from deepshap.graph.decompositions.elements import ELEMENTS
from deepshap.graph.decompositions.norms import NORMS
from deepshap.graph.decompositions.order import ORDER
from deepshap.graph.decompositions.reductions import REDUCTIONS
from deepshap.graph.decompositions.windows import WINDOWS, deformable_convolution
from deepshap.rules.table import ADVICE, OPERATIONS, SHAPE_READERS


def decomposition_table() -> dict[Any, Callable[..., Any]]:
    """The decomposition of each operation that `torch.export` replaces.

    Operations without a rule are replaced as PyTorch defines them. So an alias, such as `subtract`,
    arrives under its usual name, and a recurrent layer as its steps.
    """
    kept = OPERATIONS.keys() | SHAPE_READERS | ADVICE.keys()
    table = {
        operation: _attempted(decomposition)
        for operation, decomposition in torch.export.default_decompositions().items()
        if _name(operation) not in kept and _reads_tensors(operation)
    }
    if hasattr(torch.ops.torchvision, "deform_conv2d"):  # once torchvision is imported
        table[torch.ops.torchvision.deform_conv2d.default] = deformable_convolution
    return table | NORMS | ORDER | REDUCTIONS | WINDOWS | ELEMENTS


def _name(operation: Any) -> str:
    return str(operation.overloadpacket.__name__)


def _reads_tensors(operation: Any) -> bool:
    return any("Tensor" in str(argument.type) for argument in operation._schema.arguments)


def _attempted(decomposition: Callable[..., Any]) -> Callable[..., Any]:
    """Leave an operation as it is where its decomposition depends on values."""

    def apply(*args: Any, **kwargs: Any) -> Any:
        try:
            return decomposition(*args, **kwargs)
        except Exception:  # a decomposition may raise anything
            return NotImplemented

    return apply
