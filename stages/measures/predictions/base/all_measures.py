"""Finds all measures of predictions, and applies them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stages.artifacts.splits import occurs
from stages.base.errors.user import UserError
from stages.base.tracking.plugins import failures_of_plugin, load_plugin, plugin_names

_SINGLE, _MULTIPLE = "measures/predictions", "measures/predictions/multiple"

MOST_NAMED = 10  # classes in a message


def measure_all(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> dict[str, float]:
    """Every measure of predictions, by its file's name.

    Args:
        probabilities: (n, k), rows sum to 1 unless an image may have several labels.
        labels: True classes (n,), or 0 and 1 for each label (n, k).

    Raises:
        UserError: A measure fails, or does not return a finite number; names its file.
    """
    kind = _SINGLE if labels.ndim == 1 else _MULTIPLE
    return {name: _measure(kind, name, probabilities, labels) for name in plugin_names(kind)}


def report_absent(labels: NDArray[np.int64], class_names: Sequence[str]) -> None:
    """Print which classes or labels have no test images, and so take no part in some measures."""
    absent = np.flatnonzero(~occurs(labels, len(class_names)))
    if len(absent):
        named = ", ".join(class_names[number] for number in absent[:MOST_NAMED])
        more = ", …" if len(absent) > MOST_NAMED else ""
        print(
            f"no test images of {named}{more}: means over the classes and lowest_recall leave "
            f"{'it' if len(absent) == 1 else 'them'} out"
        )


def _measure(
    kind: str, name: str, probabilities: NDArray[np.float64], labels: NDArray[np.int64]
) -> float:
    module = load_plugin(kind, name, ("measure",))
    with failures_of_plugin(kind, name, "measure() fails"):
        value = float(module.measure(probabilities, labels))
    if not np.isfinite(value):
        raise UserError(
            f"stages/{kind}/{name}.py: measure() returned {value}, expected a finite number; fix "
            "that file"
        )
    return value
