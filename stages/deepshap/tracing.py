"""From a network to the graph of the functions it calls."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch.nn.functional as F
from torch import Tensor, fx, nn
from torch.nn.modules.batchnorm import _BatchNorm
from typing_extensions import override


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


class Tracer(fx.Tracer):
    """Traces through every module down to functions, so that one table serves both.

    Attributes:
        constants: Tensors that `forward` makes itself, by the names the graph calls them.
    """

    constants: dict[str, Tensor]

    @override
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return False

    @override
    def call_module(
        self,
        m: nn.Module,
        forward: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        if isinstance(m, _BatchNorm):  # its own forward branches on the input's shape
            forward = functools.partial(_batch_norm, m)
        try:
            return super().call_module(m, forward, args, kwargs)
        except UnsupportedOperation:
            raise
        except Exception as error:
            raise UnsupportedOperation(
                type(m).__name__,
                self.path_of_module(m),
                f"torch.fx cannot trace it ({error}); use operations that do not depend on values",
            ) from error

    @override
    def trace(
        self, root: nn.Module | Callable[..., Any], concrete_args: dict[str, Any] | None = None
    ) -> fx.Graph:
        own = set(vars(root))
        try:
            return super().trace(root, concrete_args)
        except UnsupportedOperation:
            raise
        except Exception as error:
            raise UnsupportedOperation(
                "forward",
                type(root).__name__,
                f"torch.fx cannot trace it ({error}); use operations that do not depend on values",
            ) from error
        finally:  # torch.fx puts them into the network
            self.constants = {name: vars(root).pop(name) for name in set(vars(root)) - own}


def _batch_norm(norm: _BatchNorm, images: Tensor) -> Tensor:
    return F.batch_norm(
        images,
        norm.running_mean,
        norm.running_var,
        norm.weight,
        norm.bias,
        training=norm.running_mean is None,
        eps=norm.eps,
    )
