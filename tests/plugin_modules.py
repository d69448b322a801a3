"""Plug-ins that a test makes up."""

import sys
from types import ModuleType
from typing import Any

import pytest


def add_plugin(monkeypatch: pytest.MonkeyPatch, name: str, build: Any) -> None:
    """Have the module `stages.<name>`, which has no file, with this `build`, during a test."""
    module = ModuleType(f"stages.{name}")
    vars(module)["build"] = build
    monkeypatch.setitem(sys.modules, module.__name__, module)
