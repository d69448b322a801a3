"""Measures and tables of predictions in closed form."""

from types import SimpleNamespace

import numpy as np
import pytest

from stages.artifacts.predictions import Predictions
from stages.base.errors.user import UserError
from stages.measures.predictions.base import all_measures
from stages.measures.predictions.base.all_measures import measure_all, report_absent
from stages.measures.predictions.base.reliability import reliability
from stages.measures.predictions.base.tables import mistakes


def test_metrics_in_closed_form() -> None:
    """Ten sure predictions of which eight are right, ten unsure ones of which five are right."""
    probabilities = np.array([[0.9, 0.1]] * 10 + [[0.45, 0.55]] * 10)
    labels = np.array([0] * 8 + [1] * 2 + [1] * 5 + [0] * 5)
    metrics = measure_all(probabilities, labels)
    assert metrics["accuracy"] == pytest.approx(13 / 20)
    assert metrics["expected_calibration_error"] == pytest.approx(0.5 * 0.1 + 0.5 * 0.05)
    log_loss = -(8 * np.log(0.9) + 2 * np.log(0.1) + 5 * np.log(0.55) + 5 * np.log(0.45)) / 20
    assert metrics["log_loss"] == pytest.approx(log_loss)
    # "no": precision 8/10, recall 8/13; "yes": precision 5/10, recall 5/7.
    f1 = [2 * (8 / 10) * (8 / 13) / (8 / 10 + 8 / 13), 2 * 0.5 * (5 / 7) / (0.5 + 5 / 7)]
    assert metrics["macro_f1"] == pytest.approx(sum(f1) / 2)
    assert metrics["lowest_recall"] == pytest.approx(8 / 13)


def test_a_class_that_is_never_predicted_scores_0() -> None:
    probabilities = np.array([[0.9, 0.1, 0.0], [0.2, 0.8, 0.0], [0.6, 0.4, 0.0]])
    metrics = measure_all(probabilities, np.array([0, 1, 2]))
    # F1 of the classes: 2/3, 1 and 0.
    assert metrics["macro_f1"] == pytest.approx(5 / 9)
    assert metrics["lowest_recall"] == 0


def test_a_class_without_test_images_takes_no_part(capsys: pytest.CaptureFixture[str]) -> None:
    probabilities = np.array([[0.9, 0.1, 0.0], [0.2, 0.8, 0.0], [0.6, 0.4, 0.0]])
    metrics = measure_all(probabilities, np.array([0, 1, 1]))
    assert metrics["macro_f1"] == pytest.approx(2 / 3)
    assert metrics["lowest_recall"] == 0.5
    report_absent(np.array([0, 1, 1]), "abc")
    line = "no test images of c: means over the classes and lowest_recall leave it out\n"
    assert capsys.readouterr().out == line
    report_absent(np.array([0, 1, 2]), "abc")
    assert capsys.readouterr().out == ""


def test_the_most_confident_mistake_comes_first() -> None:
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7], [0.6, 0.4]])
    names = np.array(["a/7.png", "a/8.png", "a/9.png", "b/7.png"])
    predictions = Predictions(probabilities, np.array([0, 0, 0, 1]), names, ("a", "b"), {})
    table = mistakes(predictions)
    assert table["index"].tolist() == [1, 2, 3]
    assert table["name"].tolist() == ["a/8.png", "a/9.png", "b/7.png"]
    assert table["actual"].tolist() == ["a", "a", "b"]
    assert table["probability"].tolist() == [0.8, 0.7, 0.6]
    assert table["probability_of_actual"].tolist() == [0.2, 0.3, 0.4]


def test_a_confidence_of_1_lies_in_the_last_bin() -> None:
    probabilities = np.array([[1.0, 0.0], [0.99, 0.01], [0.5, 0.5], [0.0, 1.0]])
    table = reliability(probabilities, np.array([0, 1, 0, 1]))
    assert table["images"].tolist() == [1, 3]
    assert table["accuracy"].tolist() == pytest.approx([1, 2 / 3])
    assert table["confidence"].tolist() == pytest.approx([0.5, 2.99 / 3])


def test_at_most_a_hundred_mistakes_are_listed() -> None:
    """Two confidences alternate; equal ones are in the order of the split."""
    probabilities = np.tile([[0.6, 0.4], [0.7, 0.3]], (60, 1))
    names = np.arange(120)
    predictions = Predictions(probabilities, np.ones(120, np.int64), names, ("a", "b"), {})
    table = mistakes(predictions)
    assert table["index"].tolist() == [*range(1, 120, 2), *range(0, 80, 2)]


def test_a_measure_that_is_not_a_number_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = SimpleNamespace(measure=lambda probabilities, labels: np.nan)
    monkeypatch.setattr(all_measures, "plugin_names", lambda kind: ["own"])
    monkeypatch.setattr(all_measures, "load_plugin", lambda kind, name, functions: broken)
    with pytest.raises(UserError, match=r"predictions/own\.py: measure\(\) returned nan, expected"):
        measure_all(np.eye(2), np.arange(2))
