"""Measurements are saved and loaded; means by method are computed from the table."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stages.artifacts.measurements import Description, Measurements

DESCRIPTIONS = {
    "second": Description("a sentence", "higher", headline=True),
    "first": Description("another one", "neither", headline=False),
}


def measurements(additivity: float | None) -> Measurements:
    table = pd.DataFrame(
        {
            "method": ["own", "own", "own", "edges"],
            "index": [7, 3, 5, 7],
            "name": ["a", "b", "c", "a"],
            "second": [1.5, 2.0, 5.5, 4.5],
            "first": [0.5, np.nan, np.nan, np.nan],
        }
    )
    return Measurements(table, DESCRIPTIONS, additivity)


@pytest.mark.parametrize("additivity", [-6.5, None])
def test_saved_measurements_are_loaded_unchanged(tmp_path: Path, additivity: float | None) -> None:
    saved = measurements(additivity)
    saved.save(tmp_path / "quality")
    loaded = Measurements.load(tmp_path / "quality")
    pd.testing.assert_frame_equal(loaded.table, saved.table)
    assert list(loaded.descriptions.items()) == list(DESCRIPTIONS.items())
    assert loaded.additivity_l1_log10 == additivity


def test_means_are_over_the_images_that_have_the_measure() -> None:
    own, edges = measurements(-6.5).by_method.to_dict("records")
    assert list(own) == [
        *("method", "second", "second_se", "first", "first_se", "additivity_l1_log10"),
    ]
    assert (own["method"], own["second"], own["first"]) == ("own", 3, 0.5)
    assert own["second_se"] == pytest.approx(np.std([1.5, 2, 5.5], ddof=1) / np.sqrt(3))
    assert np.isnan(own["first_se"])
    assert (edges["method"], edges["second"]) == ("edges", 4.5)
    assert np.isnan([edges["second_se"], edges["first"], edges["additivity_l1_log10"]]).all()
    assert own["additivity_l1_log10"] == -6.5
