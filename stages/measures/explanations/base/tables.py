"""Tables of the removal curves and of the tiles: `plots/removal.csv` and `plots/tiles.csv`."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from stages.artifacts.explanation import ExplainedImages
from stages.measures.explanations.base.contract import Measured
from stages.measures.explanations.base.removal import ORDERS, REMOVED

BAND = 2  # standard errors on either side of a curve


def removal_table(methods: Mapping[str, Measured]) -> pd.DataFrame:
    """Mean curves, a row for each method, order and step.

    Columns: method, order, removed (share of the pixels), probability (of the predicted class, mean
    over the images), low and high (two standard errors from it; empty with one image).
    """
    rows = []
    for name, measured in methods.items():
        for order, curves in zip(ORDERS, np.moveaxis(measured.removal_curves, 1, 0), strict=True):
            by_step = pd.DataFrame(curves, columns=REMOVED)
            mean, reach = by_step.mean(), BAND * by_step.sem()
            columns = {"probability": mean, "low": mean - reach, "high": mean + reach}
            table = pd.DataFrame(columns).rename_axis("removed").reset_index()
            rows.append(table.assign(method=name, order=order))
    table = pd.concat(rows).dropna(subset="probability")
    return table[["method", "order", "removed", "probability", "low", "high"]]


def tile_table(methods: Mapping[str, Measured], explained: ExplainedImages) -> pd.DataFrame:
    """Attributions of tiles against their Shapley values, a row for each method, image and tile.

    Columns: method, index (of the image in the test split), name (of the image), tile (0 … 8, row
    by row), exact (estimated if coalitions are sampled), attributed (both in the unit of the
    explained output).
    """
    tables = []
    for name, measured in methods.items():
        exact = measured.tile_game.shapley
        n_images, n_tiles = exact.shape
        columns = {
            "method": name,
            "index": np.repeat(explained.indices[:n_images], n_tiles),
            "name": np.repeat(explained.names[:n_images], n_tiles),
            "tile": np.tile(np.arange(n_tiles), n_images),
            "exact": exact.ravel(),
            "attributed": measured.tile_sums.ravel(),
        }
        tables.append(pd.DataFrame(columns))
    return pd.concat(tables)
