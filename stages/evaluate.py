"""Measure the network on the test split: `python -m stages.evaluate`."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, f1_score, log_loss, recall_score
from torch import Tensor

from stages.artifacts.predictions import Predictions
from stages.artifacts.splits import load_names, load_split
from stages.core.errors import UserError
from stages.core.files import new_file, write_csv, write_json
from stages.core.sections import DeviceName, StageParams
from stages.core.stage import run_stage
from stages.networks.checkpoint import load_checkpoint
from stages.networks.device import choose_device, configure_process_for
from stages.networks.predict import predict

METRICS = Path("metrics/evaluate.json")
PLOTS = Path("plots")
N_BINS = 15  # as in Guo et al. 2017, who made the measure popular
N_MISTAKES = 100


class Params(StageParams):
    """The parameters that this stage reads."""

    device: DeviceName


def main(params: Params) -> None:
    """Predict, measure, write."""
    device = choose_device(params.device)
    configure_process_for(device)
    checkpoint = load_checkpoint(device)
    test = load_split("test")
    logits = predict(checkpoint.network, torch.from_numpy(test.images).to(device))
    require_finite(logits, checkpoint.architecture)
    probabilities = logits.cpu().double().softmax(dim=1).numpy()
    metrics = measure(probabilities, test.labels)
    predictions = Predictions(
        probabilities, test.labels, load_names("test"), checkpoint.info.class_names, metrics
    )
    predictions.save()
    write_csv(PLOTS / "confusion.csv", confusion(predictions))
    write_csv(PLOTS / "reliability.csv", reliability(probabilities, test.labels))
    write_csv(PLOTS / "mistakes.csv", mistakes(predictions))
    with new_file(METRICS) as file:
        write_json(file, metrics)
    print(f"test accuracy {metrics['accuracy']:.2%}, log loss {metrics['log_loss']:.4f}")


def require_finite(logits: Tensor, architecture: str) -> None:
    """Reject outputs that no measure can be taken of.

    Args:
        logits: (n, k).
        architecture: What gave them.

    Raises:
        UserError: Some are infinite or not a number.
    """
    n_wrong = int((~logits.isfinite()).any(dim=1).sum())
    if n_wrong:
        raise UserError(
            f"evaluate: {architecture} gives outputs that are not finite for {n_wrong:,} of "
            f"{len(logits):,} test images; check model.weights and the network, or lower "
            "train.learning_rate"
        )


def measure(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> dict[str, float]:
    """The quality of predictions.

    Args:
        probabilities: (n, k), rows sum to 1.
        labels: True classes (n,).

    Returns:
        By name: accuracy, log loss in nats, expected calibration error, F1 averaged over the
        classes, and the lowest recall of a class. Without images or predictions a class scores 0.
    """
    classes = np.arange(probabilities.shape[1])
    predicted = probabilities.argmax(axis=1)
    recalls = recall_score(labels, predicted, labels=classes, average=None, zero_division=0)
    f1 = f1_score(labels, predicted, labels=classes, average="macro", zero_division=0)
    return {
        "accuracy": float(accuracy_score(labels, predicted)),
        "log_loss": float(log_loss(labels, probabilities, labels=classes)),
        "expected_calibration_error": expected_calibration_error(probabilities, labels),
        "macro_f1": float(f1),
        "lowest_recall": float(recalls.min()),
    }


def expected_calibration_error(
    probabilities: NDArray[np.float64], labels: NDArray[np.int64]
) -> float:
    """Mean |accuracy - confidence| over the bins, weighted by their size.

    Source: Naeini et al. 2015; 15 bins of equal width as in Guo et al. 2017, arXiv:1706.04599.
    """
    bins = reliability(probabilities, labels)
    gaps = (bins["accuracy"] - bins["confidence"]).abs()
    return float((gaps * bins["images"]).sum() / bins["images"].sum())


def reliability(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> pd.DataFrame:
    """Mean confidence, accuracy and number of images of each confidence bin that is not empty."""
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == labels
    bins = np.minimum((confidence * N_BINS).astype(int), N_BINS - 1)
    by_image = pd.DataFrame({"bin": bins, "confidence": confidence, "accuracy": correct})
    by_bin = by_image.groupby("bin").agg(
        confidence=("confidence", "mean"),
        accuracy=("accuracy", "mean"),
        images=("accuracy", "size"),
    )
    return by_bin.assign(perfect=by_bin["confidence"])


def confusion(predictions: Predictions) -> pd.DataFrame:
    """Actual and predicted class of each test image; DVC's confusion template counts them."""
    names = np.array(predictions.class_names)
    return pd.DataFrame(
        {"actual": names[predictions.labels], "predicted": names[predictions.predicted]}
    )


def mistakes(predictions: Predictions) -> pd.DataFrame:
    """The most confident wrong predictions, at most `N_MISTAKES`, the highest probability first."""
    names = np.array(predictions.class_names)
    rows = predictions.mistakes[:N_MISTAKES]
    probabilities, labels = predictions.probabilities[rows], predictions.labels[rows]
    return pd.DataFrame(
        {
            "index": rows,
            "name": predictions.names[rows],
            "actual": names[labels],
            "predicted": names[predictions.predicted[rows]],
            "probability": probabilities.max(axis=1),
            "probability_of_actual": probabilities[np.arange(len(rows)), labels],
        }
    )


if __name__ == "__main__":
    run_stage(main, Params)
