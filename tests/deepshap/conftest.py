"""Shapes in the engine's public signatures, checked at run time: here, and nowhere else."""

import typing
from collections.abc import Callable
from typing import Any

import jaxtyping
import pytest
from beartype import beartype

from stages.deepshap import DeepShap


def checked(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same function, which refuses arguments and results that do not fit its annotations.

    The engine imports jaxtyping for readers and mypy alone, so the names are filled in here.
    """
    function.__annotations__ = typing.get_type_hints(function, localns=vars(jaxtyping))
    return jaxtyping.jaxtyped(function, typechecker=beartype)


@pytest.fixture
def checked_shapes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `DeepShap` check the shapes that its signatures name."""
    for name in ("__init__", "attribute"):
        monkeypatch.setattr(DeepShap, name, checked(getattr(DeepShap, name)))
