"""Metrics of the test split: in closed form, and of a real run."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.special
import torch
from numpy.typing import NDArray

from stages import evaluate
from stages.artifacts.predictions import Predictions
from stages.artifacts.splits import DatasetInfo, Split, save_splits
from stages.base.errors.user import UserError
from stages.networks.build import build_network
from stages.networks.checkpoint import Checkpoint, save_checkpoint
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


@pytest.fixture
def evaluated(here: Path) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The stage has run on 30 images; the probabilities it should find, and the true classes."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 30)
    part = Split(rng.integers(0, 256, (30, 1, 8, 8), np.uint8), labels)
    names = np.array([f"{number}.png" for number in range(30)])
    info = DatasetInfo("Own", ("a", "b", "c"), 1, (8, 8), (0.5,), (0.3,), {})
    save_splits(info, {"test": part}, {"test": names})
    torch.manual_seed(0)
    network = build_network("single_conv", info, {})
    save_checkpoint(Checkpoint(network, "single_conv", {}, info, {}))
    evaluate.main(evaluate.Params(device="cpu"))
    with torch.no_grad():
        logits = network.eval()(torch.from_numpy(part.images)).double().numpy()
    return scipy.special.softmax(logits, axis=1), labels


def test_predictions_are_kept_in_float32(
    evaluated: tuple[NDArray[np.float64], NDArray[np.int64]], here: Path
) -> None:
    probabilities, labels = evaluated
    folder = here / "data/predictions"
    stored = np.load(folder / "probabilities.npy")
    assert stored.dtype == np.float32
    np.testing.assert_allclose(stored, probabilities, rtol=1e-5)
    np.testing.assert_array_equal(np.load(folder / "labels.npy"), labels)
    assert np.load(folder / "names.npy").tolist() == [f"{number}.png" for number in range(30)]
    about = json.loads((folder / "predictions.json").read_text())
    metrics = json.loads((here / "metrics/evaluate.json").read_text())
    assert about == {"class_names": ["a", "b", "c"], "metrics": metrics}
    assert {path.name for path in folder.iterdir()} == {
        *("probabilities.npy", "labels.npy", "names.npy", "predictions.json"),
    }
    loaded = Predictions.load()
    np.testing.assert_array_equal(loaded.probabilities, stored)
    np.testing.assert_array_equal(loaded.labels, labels)
    assert isinstance(loaded.names.base, np.memmap)
    assert (loaded.class_names, loaded.metrics) == (("a", "b", "c"), metrics)


def test_tables_of_the_test_split(
    evaluated: tuple[NDArray[np.float64], NDArray[np.int64]], here: Path
) -> None:
    """The bins and the order of mistakes written out once more, image by image."""
    probabilities, labels = evaluated
    predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    confusion = pd.read_csv(here / "plots/confusion.csv")
    expected = {
        "actual": [*map("abc".__getitem__, labels)],
        "predicted": [*map("abc".__getitem__, predicted)],
    }
    assert confusion.to_dict("list") == expected

    table = pd.read_csv(here / "plots/reliability.csv")
    inside = [(confidence >= n / 15) & (confidence < (n + 1) / 15) for n in range(15)]
    inside = [which for which in inside if which.any()]
    assert table.columns.tolist() == ["confidence", "accuracy", "images", "perfect"]
    assert table["images"].tolist() == [which.sum() for which in inside]
    means = [confidence[which].mean() for which in inside]
    right = [(predicted == labels)[which].mean() for which in inside]
    for column, values in (("confidence", means), ("perfect", means), ("accuracy", right)):
        assert table[column].tolist() == pytest.approx(values, rel=1e-5)

    table = pd.read_csv(here / "plots/mistakes.csv")
    wrong = sorted(np.flatnonzero(predicted != labels), key=lambda row: -confidence[row])
    assert table.columns.tolist() == [
        *("index", "name", "actual", "predicted", "probability", "probability_of_actual"),
    ]
    assert table["index"].tolist() == wrong
    assert table["name"].tolist() == [f"{row}.png" for row in wrong]
    assert table["predicted"].tolist() == ["abc"[predicted[row]] for row in wrong]
    actual = [probabilities[row, labels[row]] for row in wrong]
    assert table["probability_of_actual"].tolist() == pytest.approx(actual, rel=1e-5)


def test_a_confidence_of_1_lies_in_the_last_bin() -> None:
    probabilities = np.array([[1.0, 0.0], [0.99, 0.01], [0.5, 0.5], [0.0, 1.0]])
    table = evaluate.reliability(probabilities, np.array([0, 1, 0, 1]))
    assert table["images"].tolist() == [1, 3]
    assert table["accuracy"].tolist() == pytest.approx([1, 2 / 3])
    assert table["confidence"].tolist() == pytest.approx([0.5, 2.99 / 3])


def test_at_most_a_hundred_mistakes_are_listed() -> None:
    """Every other one is as sure as the next; equal ones are in the order of the split."""
    probabilities = np.tile([[0.6, 0.4], [0.7, 0.3]], (60, 1))
    names = np.arange(120)
    predictions = Predictions(probabilities, np.ones(120, np.int64), names, ("a", "b"), {})
    table = evaluate.mistakes(predictions)
    assert table["index"].tolist() == [*range(1, 120, 2), *range(0, 80, 2)]


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_outputs_that_are_not_finite_are_counted_by_image(wrong: float) -> None:
    logits = torch.zeros(5, 3)
    info = DatasetInfo("Own", ("a", "b", "c"), 1, (1, 1), (0.5,), (0.3,), {})
    checkpoint = Checkpoint(torch.nn.Identity(), "own", {}, info, {})
    (found,) = evaluate.probabilities_of(checkpoint, logits, torch.device("cpu"))
    np.testing.assert_allclose(found, np.full((5, 3), 1 / 3))
    logits[1] = wrong
    logits[4, 0] = wrong
    with pytest.raises(UserError, match=r"own gives outputs that are not finite for 2 of 5 test"):
        list(evaluate.probabilities_of(checkpoint, logits, torch.device("cpu")))
