"""The tables of the measures, recomputed row by row."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from stages.artifacts.measurements import Description
from stages.base.errors.user import UserError
from stages.measures.explanations.background_error import background_error
from stages.measures.explanations.base import all_measures
from stages.measures.explanations.base.all_measures import describe, load_measures, measure_all
from stages.measures.explanations.base.contract import Measured
from stages.measures.explanations.base.maps import Maps
from stages.measures.explanations.base.methods import exact_values
from stages.measures.explanations.base.tables import removal_table, tile_table
from stages.measures.explanations.base.tiles import exact_game, shapley_values, tile_sums
from stages.measures.explanations.coalition_error import coalition_error
from stages.measures.explanations.concentration import concentration
from stages.measures.explanations.contrast_shift import contrast_shift
from stages.measures.explanations.removal_gain import removal_gain
from stages.measures.explanations.tiles_error import tiles_error
from tests.measures.subjects import small_images, small_network, subject
from tests.runs import random_run

RNG = np.random.default_rng(0)
N, T = 4, 3
VALUES = RNG.normal(size=(T, 512))
NAMES = [
    *("removal_gain", "contrast_shift", "tiles_error", "coalition_error"),
    *("background_error", "concentration"),
]


def maps(errors: bool) -> Maps:
    return Maps(
        predicted=RNG.normal(size=(N, 12, 14)),
        contrast=RNG.normal(size=(N, 12, 14)),
        errors=RNG.random((N, 12, 14)) if errors else None,
        game=RNG.normal(size=(T, 12, 14)),
    )


def measured(found: Maps) -> Measured:
    """Measured maps, with drawn removal curves instead of those of a network."""
    method = Measured(
        subject=subject(small_network(2, 3), small_images(N), small_images(5)),
        maps=found,
        tile_sums=tile_sums(found.game),
        tile_game=exact_game(VALUES),
    )
    method.__dict__["removal_curves"] = RNG.random((N, 2, 29))
    return method


METHODS = {"own": measured(maps(errors=True)), "edges": measured(maps(errors=False))}


def exact() -> Measured:
    few = replace(METHODS["own"], subject=METHODS["own"].subject.subset(T, 5))
    return exact_values(few)


def test_every_method_and_image_has_a_row_and_every_measure_a_column() -> None:
    table = measure_all(load_measures(), {**METHODS, "exact": exact()})
    assert table.columns.tolist() == ["method", "index", *NAMES]
    assert table["method"].tolist() == ["own"] * N + ["edges"] * N + ["exact"] * T
    assert table["index"].tolist() == [*range(N), *range(N), *range(T)]
    for name, method in METHODS.items():
        rows, found = table[table["method"] == name], method.maps
        sums = tile_sums(found.game)
        played = {
            "tiles_error": tiles_error(sums, exact_game(VALUES)),
            "coalition_error": coalition_error(sums, VALUES),
        }
        expected = {
            "removal_gain": removal_gain(method.removal_curves),
            "contrast_shift": contrast_shift(method.subject, found.contrast),
            "concentration": concentration(found.predicted),
            "background_error": np.full(N, np.nan)
            if found.errors is None
            else background_error(found.errors, found.predicted),
            **{column: np.append(values, np.nan) for column, values in played.items()},
        }
        for column, values in expected.items():
            np.testing.assert_array_equal(rows[column], values)
    rows = table[table["method"] == "exact"]
    assert rows["tiles_error"].tolist() == [0] * T
    floor = coalition_error(shapley_values(VALUES), VALUES)
    np.testing.assert_array_equal(rows["coalition_error"], floor)
    others = rows.drop(columns=["method", "index", "tiles_error", "coalition_error"])
    assert others.isna().all(axis=None)


def test_headlines_come_first_and_then_the_others_by_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    files = {
        "b": SimpleNamespace(DESCRIPTION="the second letter", BETTER="lower"),
        "a": SimpleNamespace(DESCRIPTION="the first letter", BETTER="neither"),
        "z": SimpleNamespace(DESCRIPTION="the last letter", BETTER="higher", HEADLINE=1),
    }
    monkeypatch.setattr(all_measures, "plugin_names", lambda kind: sorted(files))
    monkeypatch.setattr(all_measures, "load_plugin", lambda kind, name, functions: files[name])
    assert list(describe(load_measures()).items()) == [
        ("z", Description("the last letter", "higher", headline=True)),
        ("a", Description("the first letter", "neither", headline=False)),
        ("b", Description("the second letter", "lower", headline=False)),
    ]
    files["b"].BETTER = "more"
    with pytest.raises(UserError, match=r"explanations/b\.py: must define .*\(got 'more'\); see"):
        load_measures()
    del files["b"].DESCRIPTION
    with pytest.raises(UserError, match="must define DESCRIPTION, a sentence"):
        load_measures()


@pytest.mark.parametrize("shape", [(N + 1,), (N, 1), ()])
def test_a_measure_gives_a_number_an_image(shape: tuple[int, ...]) -> None:
    wrong = SimpleNamespace(measure=lambda measured: np.zeros(shape))
    message = r"own\.py: measure\(\) returned an array of shape .*, expected at most 4 numbers"
    with pytest.raises(UserError, match=message):
        measure_all({"own": wrong}, METHODS)


def test_a_measure_that_fails_is_named() -> None:
    def fail(measured: Measured) -> None:
        raise ZeroDivisionError("by 0")

    with pytest.raises(UserError, match=r"own\.py: measure\(\) fails: ZeroDivisionError: by 0"):
        measure_all({"own": SimpleNamespace(measure=fail)}, METHODS)


def test_removal_curves_are_means_with_two_standard_errors() -> None:
    without = replace(METHODS["own"])
    without.__dict__["removal_curves"] = METHODS["own"].removal_curves.copy()
    without.removal_curves[1] = np.nan  # an image without a map
    methods = {"own": without, "edges": METHODS["edges"]}
    table = removal_table(methods).reset_index(drop=True)
    assert table.columns.tolist() == ["method", "order", "removed", "probability", "low", "high"]
    rows = iter(table.to_numpy().tolist())
    for name, method in methods.items():
        curves = method.removal_curves
        known = curves[~np.isnan(curves[:, 0, 0])]
        for position, order in enumerate(("highest first", "lowest first")):
            for step in range(29):
                values = known[:, position, step]
                mean, error = values.mean(), values.std(ddof=1) / len(values) ** 0.5
                *labels, removed, probability, low, high = next(rows)
                assert labels == [name, order]
                assert (removed, probability) == pytest.approx((step / 28, mean))
                assert (low, high) == pytest.approx((mean - 2 * error, mean + 2 * error))
    assert next(rows, None) is None


def test_a_method_without_any_map_has_no_curve() -> None:
    table = removal_table({**METHODS, "none": exact()})
    assert set(table["method"]) == {"own", "edges"}


def test_tiles_are_listed_image_by_image() -> None:
    explained = replace(
        random_run(1, 1, 1, 1, 1).explanation,
        indices=np.array([7, 5, 6, 9]),
        names=np.array(["a", "b", "c", "d"]),
    )
    table = tile_table(METHODS, explained)
    values = shapley_values(VALUES)
    expected = [
        {
            "method": name,
            "index": [7, 5, 6][index],
            "name": "abc"[index],
            "tile": tile,
            "exact": values[index, tile],
            "attributed": method.tile_sums[index, tile],
        }
        for name, method in METHODS.items()
        for index in range(T)
        for tile in range(9)
    ]
    pd.testing.assert_frame_equal(table.reset_index(drop=True), pd.DataFrame(expected))
