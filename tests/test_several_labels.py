"""Several labels an image: the pipeline, and the commands beside it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from stages import download, preprocess
from stages.artifacts.explanation import Explanation
from stages.artifacts.predictions import Predictions
from stages.artifacts.splits import load_info, load_split
from stages.base.errors.user import UserError
from stages.measures.explanations.base.plan import Plan
from stages.measures.explanations.base.removal import removal_curves
from stages.measures.explanations.base.subject import subject_of
from stages.measures.predictions.base.all_measures import measure_all, report_absent
from stages.measures.predictions.base.label_scores import label_scores
from stages.networks.checkpoint import load_checkpoint
from stages.sampling.choices import choose_images
from stages.sampling.outputs import choose_classes
from stages.sampling.stratified import strata, stratified_sample
from stages.training.objective import loss_and_correct
from tests.conftest import ROOT, Project, copy, run_stages
from tests.datasets.labelled_digits import NAMES, digits_with_labels, write_folder


def save_arrays(file: Path) -> None:
    images, labels = digits_with_labels()
    splits = {"x_train": images[:700], "y_train": labels[:700]}
    np.savez(file, **splits, x_test=images[700:], y_test=labels[700:], class_names=NAMES)


SMALL: dict[str, Any] = {
    "data": {"dataset": "arrays", "source": "own.npz", "labels": "multiple"},
    "model": {"architecture": "single_conv"},
    "train": {"epochs": 4, "batch_size": 32},
    "explain": {
        **{"n_background": 20, "images": "first", "n_images": 8, "outputs": "predicted"},
    },
}


@pytest.fixture
def ran(here: Path) -> Path:
    save_arrays(here / "own.npz")
    run_stages(SMALL)
    return here


def test_labels_are_trained_evaluated_explained_and_measured(ran: Path) -> None:
    test, info = load_split("test"), load_info()
    assert info.class_names == NAMES
    assert test.labels.shape == (200, 4)
    checkpoint = load_checkpoint(torch.device("cpu"))
    with torch.no_grad():
        expected = checkpoint.network(torch.from_numpy(test.images)).double().sigmoid().numpy()
    predictions = Predictions.load()
    np.testing.assert_allclose(predictions.probabilities, expected, rtol=1e-5)

    metrics = json.loads(Path("metrics/evaluate.json").read_text())
    predicted = expected > 0.5
    assert metrics["accuracy"] == pytest.approx((predicted == test.labels).mean())
    assert metrics["accuracy"] > 0.8
    assert metrics["macro_f1"] == pytest.approx(f1_score(test.labels, predicted, average="macro"))
    for name, score in (
        ("macro_average_precision", average_precision_score),
        ("macro_auroc", roc_auc_score),
    ):
        assert metrics[name] == pytest.approx(score(test.labels, expected, average="macro"))

    explanation = Explanation.load()
    n_predicted = np.maximum(predicted[:8].sum(axis=1), 1)
    assert explanation.classes.shape == (8, n_predicted.max())
    for image, classes in enumerate(explanation.classes):
        assert set(np.flatnonzero(predicted[image])) <= set(classes)
    np.testing.assert_allclose(explanation.sums, explanation.changes, atol=1e-4)
    assert explanation.group_means is not None
    assert np.isfinite(explanation.group_means).all()

    plan = Plan(n_images=8, sampled=False, passes=0)
    subject = subject_of(explanation, checkpoint.network, torch.device("cpu"), plan)
    maps = np.stack([explanation.maps(i, [0])[0] for i in range(8)])
    whole = removal_curves(subject, maps)[:, 0, 0]
    np.testing.assert_allclose(whole, expected[:8].max(axis=1), rtol=1e-4)
    explained = json.loads(Path("metrics/explain.json").read_text())
    assert explained["removal_gain"] > 0.05
    assert "contrast_shift" not in explained
    assert "top_class_agreement" not in explained
    require_tables(test.labels, expected)


def require_tables(labels: NDArray[np.int64], probabilities: NDArray[np.float64]) -> None:
    table = pd.read_csv("plots/classes.csv")
    assert table["class"].tolist() == list(NAMES)
    assert table["images"].tolist() == labels.sum(axis=0).tolist()
    predicted = (probabilities > 0.5).astype(np.int64)
    assert table["f1"].tolist() == pytest.approx(list(f1_score(labels, predicted, average=None)))
    assert table["auroc"].tolist() == pytest.approx(
        list(roc_auc_score(labels, probabilities, average=None)), rel=1e-5
    )
    confusion = pd.read_csv("plots/confusion.csv").query("label == 'prime'")
    both = (confusion["actual"] == "present") & (confusion["predicted"] == "present")
    assert both.sum() == (labels[:, 2] & predicted[:, 2]).sum()
    mistakes = pd.read_csv("plots/mistakes.csv")
    assert len(mistakes) == min(100, (labels != predicted).sum())
    first = mistakes.iloc[0]
    number = NAMES.index(first["label"])
    assert first["actual"] == ("present" if labels[first["index"], number] else "absent")
    misses = np.abs(labels - probabilities)
    assert misses[first["index"], number] == pytest.approx(misses.max())
    attributions = pd.read_csv("plots/attributions.csv", keep_default_na=False)
    for row, image_labels in zip(attributions["true"], labels, strict=False):
        assert row == "; ".join(np.array(NAMES)[image_labels > 0])
    reliability = pd.read_csv("plots/reliability.csv")
    assert reliability["images"].sum() == labels.size
    assert not Path("plots/shap/contrast_mistakes.png").exists()
    for name in ("samples", "sheet_000", "class_means_000"):
        assert Path(f"plots/shap/{name}.png").exists()


@pytest.mark.slow  # two runs and all commands
def test_a_table_of_labels_runs_through_dvc_and_all_commands(
    fresh_project: Project, tmp_path: Path
) -> None:
    own = copy(fresh_project, tmp_path / "clone")
    write_folder(own.root / "images", 300)
    own.set(
        {
            **SMALL,
            "data": {"dataset": "image_folder", "source": "images", "labels": "multiple"},
            "explain.output": "probabilities",
            "explain.outputs": "all",
            "explain.n_images": 4,
        }
    )
    assert set(own.repro().values()) == {"ran"}
    own.succeed("python", "-m", "tools.verify")
    explanation = Explanation.load(own.root / "data/shap")
    np.testing.assert_allclose(explanation.outputs, explanation.probabilities, atol=1e-6)
    np.testing.assert_allclose(explanation.sums, explanation.changes, atol=1e-5)
    own.succeed("python", "-m", "tools.export")
    image = next((own.root / "images").glob("*.png"))
    printed = own.succeed("python", "-m", "tools.explain", str(image))
    assert "probability, sum of attributions in probability" in printed
    own.succeed("python", "-m", "tools.plots_page")
    own.succeed("git", "add", "--all")
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
    own.succeed("git", *identity, "commit", "--quiet", "--message", "Labels")
    own.set({"explain.outputs": "predicted"})
    own.repro()
    assert "accuracy" in own.succeed("python", "-m", "tools.compare", "HEAD")


def test_arrays_must_have_the_kind_of_labels_that_is_set(here: Path) -> None:
    save_arrays(here / "own.npz")
    data = {"dataset": "arrays", "source": "own.npz"}
    with pytest.raises(UserError, match=r"y_train is int64 of shape \(700, 4\).*labels: multiple"):
        run_stages({"data": {**data, "labels": "single"}}, (download, preprocess))
    images = np.zeros((4, 9, 9), np.uint8)
    labels = np.array([0, 1, 0, 1])
    np.savez(here / "one.npz", x_train=images, y_train=labels, x_test=images, y_test=labels)
    data = {**data, "source": "one.npz", "labels": "multiple"}
    with pytest.raises(UserError, match=r"expected 0 and 1 for each label \(n, k\)"):
        run_stages({"data": data}, (download, preprocess))


def test_a_data_set_of_classes_has_no_several_labels(here: Path) -> None:
    embedded = str(ROOT / "data/embedded")
    message = (
        r"data\.labels: must be single, since each image of mnist has one class \(got 'multiple'\)"
    )
    with pytest.raises(UserError, match=message):
        run_stages({"data": {"labels": "multiple", "source": embedded}}, (download,))


def test_the_loss_is_the_mean_binary_cross_entropy_of_the_labels() -> None:
    torch.manual_seed(0)
    logits = torch.randn(5, 3, dtype=torch.float64)
    labels = torch.tensor([[0, 1, 1], [1, 0, 0], [0, 0, 0], [1, 1, 1], [0, 1, 0]])
    loss, correct = loss_and_correct(logits, labels)
    p = 1 / (1 + torch.exp(-logits))
    by_hand = -(labels * p.log() + (1 - labels) * (1 - p).log()).sum() / 3
    torch.testing.assert_close(loss, by_hand)
    assert correct.item() == pytest.approx(((p > 0.5) == (labels == 1)).sum().item() / 3)


def test_strata_are_the_rarest_labels() -> None:
    labels = np.array([[1, 0, 0], [1, 1, 0], [1, 1, 1], [1, 0, 1], [0, 0, 0], [1, 1, 0]])
    assert strata(labels).tolist() == [0, 1, 2, 2, 3, 1]  # 5, 3 and 2 images
    many = np.zeros((1000, 2), np.int64)
    many[:100, 1] = many[:, 0] = 1
    drawn = stratified_sample(many, 50, seed=0)
    assert many[drawn, 1].sum() == 5


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("predicted", [[1, 0], [2, 0], [0, 2]]),  # two, one and no labels above 0.5
        ("all", [[0, 1, 2]] * 3),
        ({"top": 1}, [[1], [2], [0]]),
        (["c"], [[2]] * 3),
    ],
)
def test_predicted_labels_are_explained(wanted: Any, expected: list[list[int]]) -> None:
    probabilities = np.array([[0.8, 0.9, 0.1], [0.3, 0.2, 0.7], [0.4, 0.1, 0.3]])
    assert choose_classes(wanted, probabilities, "abc", multiple=True).tolist() == expected


def test_images_are_chosen_by_their_labels() -> None:
    probabilities = np.array([[0.9, 0.6], [0.7, 0.2], [0.4, 0.8], [0.1, 0.3]])
    labels = np.array([[0, 1], [1, 0], [0, 1], [1, 0]])
    predictions = Predictions(probabilities, labels, np.arange(4), ("a", "b"), {})
    assert predictions.mistakes.tolist() == [0, 3]  # both wrong by 0.9 in label a
    chosen = choose_images("per_class", 9, 0, predictions, {})
    assert chosen.tolist() == [1, 0]  # the first with label a that is predicted, then with b


def test_scores_of_labels_by_hand(capsys: pytest.CaptureFixture[str]) -> None:
    probabilities = np.array([[0.9, 0.2, 0.4], [0.8, 0.6, 0.3], [0.7, 0.4, 0.6], [0.1, 0.7, 0.2]])
    labels = np.array([[1, 1, 0], [0, 1, 0], [1, 1, 0], [0, 1, 0]])
    scores = label_scores(probabilities, labels)
    assert scores.images.tolist() == [2, 4, 0]
    assert scores.accuracy.tolist() == [0.75, 0.5, 0.75]
    assert scores.precision.tolist() == pytest.approx([2 / 3, 1, 0])
    np.testing.assert_allclose(scores.recall, [1, 0.5, np.nan])
    np.testing.assert_allclose(scores.f1, [0.8, 2 / 3, np.nan])
    # Of label 0, the images at ranks 1 and 3 are right; three of four pairs are in order.
    np.testing.assert_allclose(scores.average_precision, [(1 + 2 / 3) / 2, 1, np.nan])
    np.testing.assert_allclose(scores.auroc, [0.75, np.nan, np.nan])
    metrics = measure_all(probabilities, labels)
    assert metrics["macro_f1"] == pytest.approx((0.8 + 2 / 3) / 2)
    assert metrics["macro_average_precision"] == pytest.approx((5 / 6 + 1) / 2)
    assert metrics["macro_auroc"] == pytest.approx(0.75)
    assert metrics["lowest_recall"] == 0.5
    report_absent(labels, "abc")
    assert "no test images of c:" in capsys.readouterr().out
