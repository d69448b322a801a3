"""The engine's shapes, checked at run time here and nowhere else; its loops, between guards."""

import typing
from collections.abc import Callable
from typing import Any

import jaxtyping
import pytest
from beartype import beartype
from hypothesis import HealthCheck, settings

from deepshap import DeepShap, kernels

from .kernels.guarded import run_guarded

# The same few cases each time; with `--hypothesis-profile many`, many and new ones.
settings.register_profile(
    "few",
    max_examples=30,
    derandomize=True,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.register_profile("many", settings.get_profile("few"), max_examples=2000, derandomize=False)
settings.load_profile("few")


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


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the loops that have run, each on arrays between guards."""
    names: list[str] = []

    def run(name: str, *arguments: Any) -> bool:
        done = run_guarded(name, *arguments)
        names.append(name)
        return done

    monkeypatch.setattr(kernels, "_run", run)
    return names


@pytest.fixture
def any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let loops run however little there is to do."""
    monkeypatch.setattr(kernels, "_LEAST_WORK", 0)
