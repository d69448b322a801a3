import pytest

from stages.figures.run import Run
from tests.runs import digits_run


@pytest.fixture(scope="session")
def digits() -> Run:
    return digits_run()
