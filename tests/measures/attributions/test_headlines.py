"""The headline numbers of an explanation, and the errors of its sums."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from stages.artifacts.explanation import Explanation
from stages.artifacts.measurements import Description, Measurements
from stages.figures.run import Run
from stages.measures.attributions.additivity import (
    additivity_error_log10,
    additivity_l1_log10,
)
from stages.measures.attributions.headlines import headline_numbers
from stages.measures.attributions.summary import summarise
from stages.measures.explanations.base.all_measures import load_measures
from tests.measures.attributions.conftest import most_probable


def additivity(explanation: Explanation) -> float:
    return additivity_error_log10(explanation, summarise(explanation).sums)


def test_top_class_agreement_is_a_share_of_the_images(digits: Run) -> None:
    explanation = digits.explanation
    numbers = headline_numbers(explanation, digits.summary, None)
    predictions = explanation.probabilities.argmax(axis=1)
    agreement = explanation.sums.argmax(axis=1) == predictions
    assert numbers["top_class_agreement"] == pytest.approx(agreement.mean())
    assert json.loads(json.dumps(numbers, allow_nan=False)) == numbers


def test_at_most_eight_numbers_are_headlines() -> None:
    """Two of the sums, and the measures with a `HEADLINE`."""
    ranks = [module.HEADLINE for module in load_measures().values() if hasattr(module, "HEADLINE")]
    assert 2 + len(ranks) <= 8
    assert len(set(ranks)) == len(ranks)


def test_the_additivity_error_is_the_one_put_in(digits: Run) -> None:
    explanation = digits.explanation
    assert additivity(explanation) < -6
    every = np.append(explanation.outputs.ravel(), explanation.base_values)
    outputs = explanation.outputs.copy()
    middle = np.unravel_index(np.abs(outputs - outputs.mean()).argmin(), outputs.shape)
    outputs[middle] += np.ptp(every) / 100  # one hundredth of the range
    changed = replace(explanation, outputs=outputs)
    assert additivity(changed) == pytest.approx(-2, abs=1e-3)
    total = np.abs(explanation.values[middle[0], ..., middle[1]]).sum(dtype=np.float64)
    share = np.ptp(every) / 100 / total
    assert additivity_l1_log10(changed) == pytest.approx(np.log10(share), abs=1e-3)


def test_no_error_is_reported_as_the_smallest(digits: Run) -> None:
    """10⁻¹², since the logarithm of 0 is infinite."""
    explanation = digits.explanation
    outputs = np.tile(explanation.base_values, (len(explanation.outputs), 1))
    exact = replace(explanation, values=np.zeros_like(explanation.values), outputs=outputs)
    assert additivity(exact) == additivity_l1_log10(exact) == -12


def test_a_constant_network_has_no_headlines(digits: Run) -> None:
    explanation = digits.explanation
    outputs = np.tile(explanation.base_values, (len(explanation.outputs), 1))
    values = np.zeros_like(explanation.values)
    constant = replace(explanation, values=values, outputs=outputs)
    assert constant.nothing_to_explain
    assert headline_numbers(constant, summarise(constant), None) == {}
    assert not explanation.nothing_to_explain


def test_a_map_of_zeros_misses_its_whole_change(digits: Run) -> None:
    """Its share of Σ|attribution| would be infinite, so it counts in output units."""
    explanation = digits.explanation
    values = explanation.values.copy()
    values[0, ..., 1] = 0
    expected = np.log10(np.abs(explanation.changes[0, 1]))
    found = additivity_l1_log10(replace(explanation, values=values))
    assert found == pytest.approx(expected, abs=1e-6)


def test_an_attribution_that_is_not_finite_has_no_additivity_error(digits: Run) -> None:
    values = digits.explanation.values.copy()
    values[0, 0, 0, 0, 0] = np.nan
    assert np.isnan(additivity_l1_log10(replace(digits.explanation, values=values)))


def test_measures_are_headlines_in_their_order_where_they_are_known(digits: Run) -> None:
    """Two images by the run's method and two by a baseline, which has no headline."""
    table = pd.DataFrame(
        {"method": ["own", "own", "edges", "edges"], "index": 0, "name": ""}
        | {name: [1.0, 3.0, 5.0, 7.0] for name in ("second", "first", "own")}
        | {"unknown": np.nan}
    )
    descriptions = {
        name: Description(name, "higher", headline=name != "own")
        for name in ("second", "unknown", "first", "own")
    }
    measurements = Measurements(table, descriptions)
    found = headline_numbers(digits.explanation, digits.summary, measurements)
    names = ["additivity_error_log10", "top_class_agreement", "second", "first"]
    assert list(found) == names
    assert found["first"] == found["second"] == 2


@pytest.mark.parametrize("n_maps", [1, 3, 9])
def test_without_all_classes_there_is_no_top_class_agreement(digits: Run, n_maps: int) -> None:
    top = most_probable(digits, n_maps)
    assert set(digits.metrics) - set(top.metrics) == {"top_class_agreement"}
    assert top.metrics["additivity_error_log10"] < -6
    assert top.class_table["top_class_agreement"].isna().all()
