"""The tables of the measures, counted out by hand."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from stages.artifacts.measurements import MEASURES
from stages.measures.background_error import background_error
from stages.measures.base.maps import Maps
from stages.measures.concentration import concentration
from stages.measures.contrast_shift import contrast_shift
from stages.measures.removal_gain import removal_gain
from stages.measures.tables import measure, removal_table, tile_table
from stages.measures.tiles_error import coalition_error, shapley_values, tile_sums, tiles_error
from tests.runs import random_run

from .subjects import small_images, small_network, subject

RNG = np.random.default_rng(0)
N, T = 4, 3
CURVES = {name: RNG.random((N, 2, 29)) for name in ("own", "edges")}
VALUES = RNG.normal(size=(T, 512))


def maps(errors: bool) -> Maps:
    return Maps(
        predicted=RNG.normal(size=(N, 12, 14)),
        contrast=RNG.normal(size=(N, 12, 14)),
        errors=RNG.random((N, 12, 14)) if errors else None,
        game=RNG.normal(size=(T, 12, 14)),
    )


MAPS = {"own": maps(errors=True), "edges": maps(errors=False)}


def test_every_method_and_image_has_a_row_and_every_measure_a_column() -> None:
    measured = subject(small_network(2, 3), small_images(N), small_images(5))
    table = measure(measured, MAPS, CURVES, VALUES)
    assert table.columns.tolist() == ["method", "index", *MEASURES]
    assert table["method"].tolist() == ["own"] * N + ["edges"] * N + ["exact"] * T
    assert table["index"].tolist() == [*range(N), *range(N), *range(T)]
    nothing = np.full(N, np.nan)
    for name, its in MAPS.items():
        rows = table[table["method"] == name]
        few = {
            "tiles_error": tiles_error(tile_sums(its.game), VALUES),
            "coalition_error": coalition_error(tile_sums(its.game), VALUES),
        }
        expected = {
            "removal_gain": removal_gain(CURVES[name]),
            "contrast_shift": contrast_shift(measured, its.contrast),
            "concentration": concentration(its.predicted),
            "background_error": nothing
            if its.errors is None
            else background_error(its.errors, its.predicted),
            **{column: np.append(values, np.nan) for column, values in few.items()},
        }
        for column, values in expected.items():
            np.testing.assert_array_equal(rows[column], values)
    exact = table[table["method"] == "exact"]
    assert exact["tiles_error"].tolist() == [0] * T
    floor = coalition_error(shapley_values(VALUES), VALUES)
    np.testing.assert_array_equal(exact["coalition_error"], floor)
    assert (
        exact.drop(columns=["method", "index", "tiles_error", "coalition_error"])
        .isna()
        .all(axis=None)
    )


def test_removal_curves_are_means_with_two_standard_errors() -> None:
    curves = {name: of_method.copy() for name, of_method in CURVES.items()}
    curves["own"][1] = np.nan  # an image without a map
    table = removal_table(curves).reset_index(drop=True)
    assert table.columns.tolist() == ["method", "order", "removed", "probability", "low", "high"]
    rows = iter(table.to_numpy().tolist())
    for name, of_method in curves.items():
        known = of_method[~np.isnan(of_method[:, 0, 0])]
        for place, order in enumerate(("highest first", "lowest first")):
            for step in range(29):
                values = known[:, place, step]
                mean, error = values.mean(), values.std(ddof=1) / len(values) ** 0.5
                *labels, removed, probability, low, high = next(rows)
                assert labels == [name, order]
                assert (removed, probability) == pytest.approx((step / 28, mean))
                assert (low, high) == pytest.approx((mean - 2 * error, mean + 2 * error))
    assert next(rows, None) is None


def test_a_method_without_any_map_has_no_curve() -> None:
    table = removal_table({**CURVES, "none": np.full((N, 2, 29), np.nan)})
    assert set(table["method"]) == {"own", "edges"}


def test_tiles_are_listed_image_by_image() -> None:
    explained = replace(
        random_run(1, 1, 1, 1, 1).explanation,
        indices=np.array([7, 5, 6, 9]),
        names=np.array(["a", "b", "c", "d"]),
    )
    table = tile_table(MAPS, VALUES, explained)
    exact = shapley_values(VALUES)
    expected = [
        {
            "method": name,
            "index": [7, 5, 6][image],
            "name": "abc"[image],
            "tile": tile,
            "exact": exact[image, tile],
            "attributed": tile_sums(its.game)[image, tile],
        }
        for name, its in MAPS.items()
        for image in range(T)
        for tile in range(9)
    ]
    pd.testing.assert_frame_equal(table.reset_index(drop=True), pd.DataFrame(expected))
