"""Finds all measures of explanations, and applies them."""

from collections.abc import Mapping
from types import ModuleType
from typing import cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stages.artifacts.measurements import Description
from stages.base.errors.user import UserError
from stages.base.tracking.plugins import failures_of_plugin, load_plugin, plugin_names
from stages.measures.explanations.base.contract import Measure, Measured

_KIND = "measures/explanations"
_DIRECTIONS = ("higher", "lower", "neither")


def load_measures() -> dict[str, Measure]:
    """All measures by name: first those with a `HEADLINE`, by it, then the others by name.

    Raises:
        UserError: A file cannot be imported, or does not define what a measure needs.
    """
    found = {name: load_plugin(_KIND, name, ("measure",)) for name in plugin_names(_KIND)}
    for name, module in found.items():
        _require_description(name, module)
    ranks = {name: getattr(module, "HEADLINE", np.inf) for name, module in found.items()}
    return {name: cast(Measure, found[name]) for name in sorted(found, key=ranks.__getitem__)}


def _require_description(name: str, module: ModuleType) -> None:
    text, better = getattr(module, "DESCRIPTION", None), getattr(module, "BETTER", None)
    if not isinstance(text, str) or better not in _DIRECTIONS:
        raise UserError(
            f"stages/{_KIND}/{name}.py: must define DESCRIPTION, a sentence, and BETTER, one of "
            f"{', '.join(_DIRECTIONS)} (got {better!r}); see the other files of stages/{_KIND}"
        )


def describe(measures: Mapping[str, Measure]) -> dict[str, Description]:
    """The description of each measure, in their order."""
    return {
        name: Description(measure.DESCRIPTION, measure.BETTER, hasattr(measure, "HEADLINE"))
        for name, measure in measures.items()
    }


def measure_all(measures: Mapping[str, Measure], methods: Mapping[str, Measured]) -> pd.DataFrame:
    """Every measure of every method.

    Returns:
        A row for each method and image, as `Measurements.table`, except that `index` is the
        image's position among the explained ones.

    Raises:
        UserError: A measure fails, or does not return one number per image.
    """
    tables = {
        method: pd.DataFrame(
            {
                name: pd.Series(_values(name, measure, measured))
                for name, measure in measures.items()
            }
        )
        for method, measured in methods.items()
    }
    return pd.concat(tables, names=["method", "index"]).reset_index()


def _values(name: str, measure: Measure, measured: Measured) -> NDArray[np.floating]:
    with failures_of_plugin(_KIND, name, "measure() fails"):
        values = np.asarray(measure.measure(measured), np.float64)
    n_images = len(measured.maps.predicted)
    if values.ndim != 1 or len(values) > n_images:
        raise UserError(
            f"stages/{_KIND}/{name}.py: measure() returned an array of shape {values.shape}, "
            f"expected at most {n_images} numbers, one per image; fix that file"
        )
    return values
