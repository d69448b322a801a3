"""Metrics of the test split: in closed form, and of a real run."""

import json

import numpy as np
import pandas as pd
import pytest

from stages import evaluate
from stages.artifacts.predictions import Predictions
from tests.conftest import Project


def test_metrics_in_closed_form() -> None:
    """Ten sure predictions of which eight are right, ten unsure ones of which five are right."""
    probabilities = np.array([[0.9, 0.1]] * 10 + [[0.45, 0.55]] * 10)
    labels = np.array([0] * 8 + [1] * 2 + [1] * 5 + [0] * 5)
    metrics = evaluate.measure(probabilities, labels)
    assert metrics["accuracy"] == pytest.approx(13 / 20)
    assert metrics["expected_calibration_error"] == pytest.approx(0.5 * 0.1 + 0.5 * 0.05)
    log_loss = -(8 * np.log(0.9) + 2 * np.log(0.1) + 5 * np.log(0.55) + 5 * np.log(0.45)) / 20
    assert metrics["log_loss"] == pytest.approx(log_loss)
    # Of "no": precision 8/10, recall 8/13; of "yes": precision 5/10, recall 5/7.
    f1 = [2 * (8 / 10) * (8 / 13) / (8 / 10 + 8 / 13), 2 * 0.5 * (5 / 7) / (0.5 + 5 / 7)]
    assert metrics["macro_f1"] == pytest.approx(sum(f1) / 2)
    assert metrics["lowest_recall"] == pytest.approx(8 / 13)


def test_a_class_that_is_never_predicted_counts_as_nothing() -> None:
    probabilities = np.array([[0.9, 0.1, 0.0], [0.2, 0.8, 0.0], [0.6, 0.4, 0.0]])
    metrics = evaluate.measure(probabilities, np.array([0, 1, 1]))
    # F1 of the classes: 2/3, 2/3 and none.
    assert metrics["macro_f1"] == pytest.approx(4 / 9)
    assert metrics["lowest_recall"] == 0


def test_the_most_confident_mistake_comes_first() -> None:
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7], [0.6, 0.4]])
    names = np.array(["a/7.png", "a/8.png", "a/9.png", "b/7.png"])
    predictions = Predictions(probabilities, np.array([0, 0, 0, 1]), names, ("a", "b"), {})
    table = evaluate.mistakes(predictions)
    assert table["index"].tolist() == [1, 2, 3]
    assert table["name"].tolist() == ["a/8.png", "a/9.png", "b/7.png"]
    assert table["actual"].tolist() == ["a", "a", "b"]
    assert table["probability"].tolist() == [0.8, 0.7, 0.6]
    assert table["probability_of_actual"].tolist() == [0.2, 0.3, 0.4]


def test_metrics_follow_from_the_predictions(ran_project: Project) -> None:
    predictions = ran_project.root / "data/predictions"
    probabilities = np.load(predictions / "probabilities.npy")
    labels = np.load(predictions / "labels.npy")
    metrics = json.loads((ran_project.root / "metrics/evaluate.json").read_text())
    assert metrics["accuracy"] == (probabilities.argmax(axis=1) == labels).mean()
    confusion = pd.read_csv(ran_project.root / "plots/confusion.csv")
    assert len(confusion) == 600
    assert (confusion["actual"] == confusion["predicted"]).mean() == metrics["accuracy"]
