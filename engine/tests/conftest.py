"""Fixtures that check the engine's shapes at run time and run its loops between guards."""

import typing
from collections.abc import Callable
from typing import Any

import jaxtyping
import pytest
from beartype import beartype
from hypothesis import HealthCheck, settings

from deepshap import DeepShap
from deepshap.kernels import dispatch, loops

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
    """A function that checks its arguments and results against its annotations.

    The engine imports jaxtyping for type checkers only, so its names are added here.
    """
    function.__annotations__ = typing.get_type_hints(function, localns=vars(jaxtyping))
    return jaxtyping.jaxtyped(function, typechecker=beartype)


CHECKED = {name: checked(getattr(DeepShap, name)) for name in ("__init__", "attribute")}


@pytest.fixture
def checked_shapes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Check the shapes in the signatures of `DeepShap`."""
    for name, function in CHECKED.items():
        monkeypatch.setattr(DeepShap, name, function)


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the loops that have run; they run on arrays between guards."""
    names: list[str] = []

    def run(name: str, *arguments: Any) -> bool:
        done = run_guarded(name, *arguments)
        names.append(name)
        return done

    monkeypatch.setattr(loops, "run", run)
    return names


@pytest.fixture
def any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the loops even where listing the nonzero multipliers costs more than it saves."""
    monkeypatch.setattr(dispatch, "_LEAST_WORK", 0)
