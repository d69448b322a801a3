"""A run with known totals, and variants of it."""

import numpy as np
import pytest

from stages.figures.run import Run
from tests.runs import digits_run, with_maps


@pytest.fixture(scope="session")
def digits() -> Run:
    return digits_run()


def most_probable(run: Run, n_maps: int) -> Run:
    """The maps of each image's most probable classes alone."""
    order = np.argsort(-run.explanation.probabilities, axis=1)
    return with_maps(run, order[:, :n_maps])
