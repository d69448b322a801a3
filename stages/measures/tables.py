"""Tables of the measures, of the removal curves, and of the tiles."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stages.artifacts.explanation import ExplainedImages
from stages.artifacts.measurements import MEASURES
from stages.measures.background_error import background_error
from stages.measures.base.maps import Maps
from stages.measures.base.subject import Subject
from stages.measures.concentration import concentration
from stages.measures.contrast_shift import contrast_shift
from stages.measures.removal_gain import ORDERS, REMOVED, removal_gain
from stages.measures.tiles_error import coalition_error, shapley_values, tile_sums, tiles_error

EXACT = "exact"
BAND = 2  # standard errors on either side of a curve


def measure(
    subject: Subject,
    maps: Mapping[str, Maps],
    curves: Mapping[str, NDArray[np.float64]],
    values: NDArray[np.float64],
) -> pd.DataFrame:
    """All measures of all methods.

    Returns:
        A row for each method and image, as `Measurements.measures`, with the image's number among
        those explained as `index`. The method `exact` has the measures of the Shapley values themselves.
    """
    tables = {
        name: {
            "removal_gain": removal_gain(curves[name]),
            "contrast_shift": contrast_shift(subject, its.contrast),
            **tile_measures(tile_sums(its.game), values),
            "concentration": concentration(its.predicted),
        }
        for name, its in maps.items()
    }
    for name, its in maps.items():
        if its.errors is not None:
            tables[name]["background_error"] = background_error(its.errors, its.predicted)
    tables[EXACT] = tile_measures(shapley_values(values), values)
    by_method = {
        name: pd.DataFrame({measure: pd.Series(column) for measure, column in table.items()})
        for name, table in tables.items()
    }
    table = pd.concat(by_method, names=["method", "index"]).reset_index()
    return table.reindex(columns=["method", "index", *MEASURES])


def tile_measures(
    sums: NDArray[np.float64], values: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    """The measures of attributions (t, 9) in the game of tiles."""
    return {
        "tiles_error": tiles_error(sums, values),
        "coalition_error": coalition_error(sums, values),
    }


def removal_table(curves: Mapping[str, NDArray[np.float64]]) -> pd.DataFrame:
    """Mean curves, a row for each method, order and step.

    Columns: method, order, removed (share of the pixels), probability (of the predicted class, mean
    over the images), low and high (two standard errors from it; empty with one image).
    """
    rows = []
    for name, of_method in curves.items():
        for order, of_order in zip(ORDERS, np.moveaxis(of_method, 1, 0), strict=True):
            by_step = pd.DataFrame(of_order, columns=REMOVED)
            mean, reach = by_step.mean(), BAND * by_step.sem()
            columns = {"probability": mean, "low": mean - reach, "high": mean + reach}
            table = pd.DataFrame(columns).rename_axis("removed").reset_index()
            rows.append(table.assign(method=name, order=order))
    table = pd.concat(rows).dropna(subset="probability")
    return table[["method", "order", "removed", "probability", "low", "high"]]


def tile_table(
    maps: Mapping[str, Maps], values: NDArray[np.float64], explained: ExplainedImages
) -> pd.DataFrame:
    """Attributions of tiles against their Shapley values, a row for each method, image and tile.

    Columns: method, index (of the image in the test split), name (of the image), tile (0 … 8, row
    by row), exact, attributed (both in the unit of the explained output).
    """
    exact = shapley_values(values)
    n_images, n_tiles = exact.shape
    tables = [
        pd.DataFrame(
            {
                "method": name,
                "index": np.repeat(explained.indices[:n_images], n_tiles),
                "name": np.repeat(explained.names[:n_images], n_tiles),
                "tile": np.tile(np.arange(n_tiles), n_images),
                "exact": exact.ravel(),
                "attributed": tile_sums(its.game).ravel(),
            }
        )
        for name, its in maps.items()
    ]
    return pd.concat(tables)
