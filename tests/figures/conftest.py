"""The run that the pictures are drawn from."""

from pathlib import Path

import pytest

from stages.figures.run import Run
from tests.runs import digits_run


@pytest.fixture(scope="session")
def digits() -> Run:
    return digits_run()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path
