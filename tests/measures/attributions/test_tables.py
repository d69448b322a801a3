"""The tables by class and by image, recomputed row by row."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stages.figures.run import Run
from stages.measures.attributions.tables import class_table, write_attribution_table
from stages.measures.attributions.top_class import top_class_agreement_by_class
from tests.measures.attributions.conftest import most_probable
from tests.runs import random_run, with_images, with_maps, with_names


def test_a_class_that_is_never_predicted_has_no_top_class_agreement(digits: Run) -> None:
    few = with_images(digits, np.flatnonzero(digits.explanation.predicted == 4)[:3])
    assert list(top_class_agreement_by_class(few.explanation, few.summary.sums)) == [4]
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


def test_the_order_of_the_maps_changes_no_number(digits: Run) -> None:
    backwards = with_maps(digits, digits.explanation.classes[:, ::-1])
    assert backwards.metrics == pytest.approx(digits.metrics)
    pd.testing.assert_frame_equal(backwards.class_table, digits.class_table)


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
