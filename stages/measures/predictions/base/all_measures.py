"""Finds all measures of predictions, and applies them."""

import numpy as np
from numpy.typing import NDArray

from stages.base.errors.user import UserError
from stages.base.tracking.plugins import failures_of_plugin, load_plugin, plugin_names

_KIND = "measures/predictions"


def measure_all(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> dict[str, float]:
    """Every measure of predictions, by its file's name.

    Args:
        probabilities: (n, k), rows sum to 1.
        labels: True classes (n,).

    Raises:
        UserError: A measure fails, or does not return a finite number; names its file.
    """
    return {name: _measure(name, probabilities, labels) for name in plugin_names(_KIND)}


def _measure(name: str, probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    module = load_plugin(_KIND, name, ("measure",))
    with failures_of_plugin(_KIND, name, "measure() fails"):
        value = float(module.measure(probabilities, labels))
    if not np.isfinite(value):
        raise UserError(
            f"stages/{_KIND}/{name}.py: measure() returned {value}, expected a finite number; fix "
            "that file"
        )
    return value
