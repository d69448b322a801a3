"""The evaluate stage, on a real run and on outputs that are not finite."""

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
from stages.artifacts.splits import Split, save_splits
from stages.base.errors.user import UserError
from stages.networks.build import build_network
from stages.networks.checkpoint import Checkpoint, save_checkpoint
from tests.conftest import Project
from tests.factory import dataset_info


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
    """The stage has run on 30 images; the expected probabilities, and the true classes."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 30)
    test = Split(rng.integers(0, 256, (30, 1, 8, 8), np.uint8), labels)
    names = np.array([f"{number}.png" for number in range(30)])
    info = dataset_info("abc", (8, 8), mean=0.5)
    save_splits(info, {"train": test, "test": test}, {"train": names, "test": names})
    torch.manual_seed(0)
    network = build_network("single_conv", info, {})
    save_checkpoint(Checkpoint(network, "single_conv", {}, info, {}))
    evaluate.main(evaluate.Params(device="cpu"))
    with torch.no_grad():
        logits = network.eval()(torch.from_numpy(test.images)).double().numpy()
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
    """The bins and the order of mistakes, recomputed image by image."""
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


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_outputs_that_are_not_finite_are_counted_by_image(wrong: float) -> None:
    logits = torch.zeros(5, 3)
    info = dataset_info("abc", (1, 1))
    checkpoint = Checkpoint(torch.nn.Identity(), "own", {}, info, {})
    (found,) = evaluate.predict_probabilities(checkpoint, logits, torch.device("cpu"))
    np.testing.assert_allclose(found, np.full((5, 3), 1 / 3))
    logits[1] = wrong
    logits[4, 0] = wrong
    with pytest.raises(UserError, match=r"own gives outputs that are not finite for 2 of 5 test"):
        list(evaluate.predict_probabilities(checkpoint, logits, torch.device("cpu")))
