"""Quantus, another implementation of measures, which only these tests use."""

import warnings
from typing import Any

import pytest


def quantus() -> Any:
    """The library; the test is skipped where it is not installed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own code, when it is compiled
        return pytest.importorskip(
            "quantus", reason="needs quantus, of the development packages: pip install '.[dev]'"
        )
