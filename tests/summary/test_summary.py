import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stages.artifacts.measurements import MEASURES, Measurements
from stages.base.errors.user import UserError
from stages.figures.run import Run
from stages.summary.metrics import (
    QUALITY,
    explanation_metrics,
    quality_metrics,
    top_class_agreement_by_class,
)
from stages.summary.tables import class_table, write_attribution_table
from stages.summary.totals import summarise
from tests.runs import random_run, with_images, with_maps, with_names


@pytest.mark.parametrize("shape", [(1, 1, 8, 8, 2), (7, 3, 9, 11, 4), (120, 1, 8, 8, 10)])
def test_the_limit_is_the_percentile_that_numpy_finds(shape: tuple[int, ...]) -> None:
    explanation = random_run(*shape).explanation
    maps = explanation.values.sum(axis=1, dtype=np.float64)
    assert summarise(explanation).limits[1] == pytest.approx(np.percentile(np.abs(maps), 99.9))


def test_sums_and_class_means_equal_their_definitions(digits: Run) -> None:
    explanation, summary = digits.explanation, digits.summary
    maps = explanation.values.astype(np.float64).sum(axis=1)  # (n, h, w, k)
    np.testing.assert_allclose(summary.sums, explanation.sums)
    totals = np.abs(explanation.values.astype(np.float64)).sum(axis=(1, 2, 3))
    np.testing.assert_allclose(summary.totals, totals)
    np.testing.assert_allclose(summary.strengths, np.abs(maps).sum(axis=(1, 2)).mean(axis=0))
    for number in range(10):
        own = maps[explanation.labels == number][..., number]
        assert summary.counts[number] == len(own)
        np.testing.assert_allclose(summary.means[number], own.mean(axis=0))
        np.testing.assert_allclose(summary.mean_strengths[number], np.abs(own).mean(axis=0))


def test_no_attribution_at_all_still_has_a_scale() -> None:
    run = random_run(3, 1, 8, 8, 2)
    nothing = np.zeros_like(run.explanation.values)
    assert summarise(replace(run.explanation, values=nothing)).limits[1] == 1.0
    nothing[1, 0, 2, 2, 0] = -0.25  # less than a thousandth of the values
    many = np.zeros((30, 1, 8, 8, 2), np.float32)
    many[:3] = nothing
    labels, classes = np.zeros(30, np.int64), np.tile([0, 1], (30, 1))
    wide = replace(run.explanation, values=many, labels=labels, classes=classes)
    assert summarise(wide).limits[1] == 0.25


def test_a_value_that_is_no_number_is_refused_by_the_image_it_is_of() -> None:
    run = random_run(5, 1, 8, 8, 2)
    values = run.explanation.values.copy()
    values[3, 0, 0, 0, 1] = np.nan
    broken = replace(run.explanation, values=values, names=np.arange(100, 105))
    with pytest.raises(UserError, match="image 103 are not all finite"):
        summarise(broken)


def test_metrics_count_what_they_say(digits: Run) -> None:
    explanation = digits.explanation
    metrics = explanation_metrics(explanation, digits.summary)
    predictions = explanation.probabilities.argmax(axis=1)
    agreement = explanation.sums.argmax(axis=1) == predictions
    assert metrics["top_class_agreement"] == pytest.approx(agreement.mean())
    assert json.loads(json.dumps(metrics, allow_nan=False)) == metrics


def test_the_additivity_error_is_the_one_put_in(digits: Run) -> None:
    explanation = digits.explanation
    assert explanation_metrics(explanation, digits.summary)["additivity_error_log10"] < -6
    every = np.append(explanation.outputs.ravel(), explanation.base_values)
    outputs = explanation.outputs.copy()
    middle = np.unravel_index(np.abs(outputs - outputs.mean()).argmin(), outputs.shape)
    outputs[middle] += np.ptp(every) / 100  # one part in a hundred of the range
    metrics = explanation_metrics(replace(explanation, outputs=outputs), digits.summary)
    assert metrics["additivity_error_log10"] == pytest.approx(-2, abs=1e-3)
    total = np.abs(explanation.values[middle[0], ..., middle[1]]).sum(dtype=np.float64)
    share = np.ptp(every) / 100 / total
    assert metrics["additivity_l1_log10"] == pytest.approx(np.log10(share), abs=1e-3)


def test_an_error_of_nothing_is_told_as_the_smallest(digits: Run) -> None:
    """10⁻¹², since the logarithm of 0 is no number."""
    explanation = digits.explanation
    outputs = np.tile(explanation.base_values, (len(explanation.outputs), 1))
    exact = replace(explanation, values=np.zeros_like(explanation.values), outputs=outputs)
    metrics = explanation_metrics(exact, summarise(exact))
    assert metrics["additivity_error_log10"] == metrics["additivity_l1_log10"] == -12


def test_a_map_of_zeros_misses_its_whole_change(digits: Run) -> None:
    """Its share of Σ|attribution| would be infinite; it counts in output units."""
    explanation = digits.explanation
    values = explanation.values.copy()
    values[0, ..., 1] = 0
    without = replace(explanation, values=values)
    expected = np.log10(np.abs(explanation.changes[0, 1]))
    metrics = explanation_metrics(without, summarise(without))
    assert metrics["additivity_l1_log10"] == pytest.approx(expected, abs=1e-6)


def test_metrics_of_quality_are_those_that_are_known() -> None:
    """Two images by the run's method; the edges are a method that may be missing."""
    table = pd.DataFrame(
        {"method": ["own", "own", "edges", "edges"], "index": 0, "name": ""}
        | {name: [1.0, 3.0, 5.0, 7.0] for name in MEASURES}
        | {"background_error": np.nan}
    )
    found = quality_metrics(Measurements(table))
    assert found == {
        name: 6.0 if name.endswith("_edges") else 1.0 if name.endswith("_se") else 2.0
        for name in QUALITY
        if name != "background_error"
    }
    without = quality_metrics(Measurements(table[:2]))
    assert without == {k: v for k, v in found.items() if not k.endswith("_edges")}
    alone = quality_metrics(Measurements(table[1:2]))
    assert set(alone.values()) == {3.0}
    assert not [name for name in alone if name.endswith("_se")]


def test_metrics_are_few_and_flat(digits: Run) -> None:
    metrics = explanation_metrics(digits.explanation, digits.summary)
    assert len(metrics) + len(QUALITY) <= 14
    assert all(isinstance(value, (int, float)) for value in metrics.values())


def test_a_class_that_is_never_predicted_has_no_top_class_agreement(digits: Run) -> None:
    few = with_images(digits, np.flatnonzero(digits.explanation.predicted == 4)[:3])
    assert list(top_class_agreement_by_class(few.explanation, few.summary)) == [4]
    table = class_table(few.predictions, few.explanation, few.summary)
    assert list(np.flatnonzero(table["top_class_agreement"].notna())) == [4]


def test_the_table_of_classes_counts_what_it_says(digits: Run) -> None:
    table = class_table(digits.predictions, digits.explanation, digits.summary)
    labels, predictions = digits.predictions.labels, digits.predictions.predicted
    explained, sums = digits.explanation.predicted, digits.explanation.sums
    assert list(table["class"]) == [str(number) for number in range(10)]
    for number, row in table.iterrows():
        right = ((labels == number) & (predictions == number)).sum()
        precision = right / (predictions == number).sum()
        recall = right / (labels == number).sum()
        assert row["images"] == (labels == number).sum()
        assert row["precision"] == pytest.approx(precision)
        assert row["recall"] == pytest.approx(recall)
        assert row["f1"] == pytest.approx(2 * precision * recall / (precision + recall))
        largest = sums[explained == number].argmax(axis=1)
        assert row["top_class_agreement"] == pytest.approx((largest == number).mean())
        maps = np.abs(digits.explanation.values[..., number].astype(np.float64)).sum(axis=(1, 2, 3))
        assert row["strength"] == pytest.approx(maps.mean())


def test_the_table_says_for_each_image_what_was_predicted_and_why(
    digits: Run, tmp_path: Path
) -> None:
    names = [f'"{number}", <b>' for number in range(10)]
    run = with_names(digits, names)
    write_attribution_table(tmp_path / "table.csv", run.explanation, run.summary)
    table = pd.read_csv(tmp_path / "table.csv")
    explanation = run.explanation
    assert list(table["index"]) == list(explanation.indices)
    assert list(table["name"]) == list(explanation.names)
    assert list(table["true"]) == [names[label] for label in explanation.labels]
    assert (table["predicted"] == table["class 1"]).all()
    best = np.sort(explanation.probabilities, axis=1)[:, ::-1]
    for rank in (1, 2, 3):
        np.testing.assert_allclose(table[f"probability {rank}"], best[:, rank - 1], atol=1e-6)
    sums = table[[f"sum of {name}" for name in names]].to_numpy()
    change = explanation.outputs - explanation.base_values
    np.testing.assert_allclose(sums, change, rtol=1e-4, atol=1e-4)


def test_two_classes_have_a_table_of_two_ranks(tmp_path: Path) -> None:
    run = random_run(3, 1, 8, 8, 2)
    write_attribution_table(tmp_path / "table.csv", run.explanation, run.summary)
    assert "class 3" not in pd.read_csv(tmp_path / "table.csv")


def most_probable(run: Run, n_maps: int) -> Run:
    order = np.argsort(-run.explanation.probabilities, axis=1)
    return with_maps(run, order[:, :n_maps])


def test_with_some_maps_totals_are_of_the_images_that_have_one(digits: Run) -> None:
    top = most_probable(digits, 3)
    explanation, summary = top.explanation, top.summary
    maps = digits.explanation.values.astype(np.float64).sum(axis=1)  # of all classes (n, h, w, k)
    sums = np.take_along_axis(maps.sum(axis=(1, 2)), explanation.classes, axis=1)
    np.testing.assert_allclose(summary.sums, sums, rtol=1e-5)
    for number in range(10):
        has = (explanation.classes == number).any(axis=1)
        strengths = np.abs(maps[has][..., number]).sum(axis=(1, 2))
        assert summary.strengths[number] == pytest.approx(strengths.mean())
        own = maps[has & (explanation.labels == number)][..., number]
        assert summary.counts[number] == len(own)
        np.testing.assert_allclose(summary.means[number], own.mean(axis=0), atol=1e-9)
        np.testing.assert_allclose(summary.mean_strengths[number], np.abs(own).mean(axis=0))


def test_the_order_of_the_maps_changes_no_number(digits: Run) -> None:
    backwards = with_maps(digits, digits.explanation.classes[:, ::-1])
    assert backwards.metrics == pytest.approx(digits.metrics)
    pd.testing.assert_frame_equal(backwards.class_table, digits.class_table)


@pytest.mark.parametrize("n_maps", [1, 3, 9])
def test_without_all_classes_there_is_no_top_class_agreement(digits: Run, n_maps: int) -> None:
    top = most_probable(digits, n_maps)
    assert set(digits.metrics) - set(top.metrics) == {"top_class_agreement"}
    assert top.metrics["additivity_error_log10"] < -6
    assert top.class_table["top_class_agreement"].isna().all()


def test_a_class_without_a_map_has_no_strength_and_no_column(digits: Run, tmp_path: Path) -> None:
    n_images = len(digits.explanation.labels)
    two = with_maps(digits, np.tile([7, 2], (n_images, 1)))
    assert list(np.flatnonzero(two.class_table["strength"].notna())) == [2, 7]
    write_attribution_table(tmp_path / "table.csv", two.explanation, two.summary)
    table = pd.read_csv(tmp_path / "table.csv")
    assert [name for name in table if name.startswith("sum of")] == ["sum of 2", "sum of 7"]
    change = digits.explanation.outputs - digits.explanation.base_values
    np.testing.assert_allclose(table[["sum of 2", "sum of 7"]], change[:, [2, 7]], atol=1e-4)


def test_an_image_without_a_map_of_a_class_has_an_empty_cell(digits: Run, tmp_path: Path) -> None:
    predicted = most_probable(digits, 1)
    write_attribution_table(tmp_path / "table.csv", predicted.explanation, predicted.summary)
    table = pd.read_csv(tmp_path / "table.csv", dtype=str)
    for _, row in table.iterrows():
        assert list(row.filter(like="sum of").dropna().index) == [f"sum of {row['predicted']}"]
