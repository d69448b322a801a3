"""Measure the network on the test split: `python -m stages.evaluate`."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from stages.artifacts.predictions import Predictions, class_scores
from stages.artifacts.splits import load_names, load_split
from stages.base.errors.user import UserError
from stages.base.files.arrays import concatenate_on_disk
from stages.base.files.atomic import new_file
from stages.base.files.formats import write_csv, write_json
from stages.base.params.sections import DeviceName, StageParams
from stages.base.run.stage import run_stage
from stages.networks.checkpoint import Checkpoint, load_checkpoint
from stages.networks.device import choose_device, configure_process_for
from stages.networks.predict import predict_batches

METRICS = Path("metrics/evaluate.json")
PLOTS = Path("plots")
N_BINS = 15  # as in Guo et al. 2017, who made the measure popular
N_MISTAKES = 100

NEEDS_LESS = "fewer or smaller images (preprocess.limit, preprocess.image_size)"


class Params(StageParams):
    """The parameters that this stage reads."""

    device: DeviceName


def main(params: Params) -> None:
    """Predict, measure, write."""
    device = choose_device(params.device)
    configure_process_for(device)
    checkpoint = load_checkpoint(device)
    test = load_split("test")
    images = torch.from_numpy(test.images)
    probabilities = concatenate_on_disk(probabilities_of(checkpoint, images, device))
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


def probabilities_of(
    checkpoint: Checkpoint, images: Tensor, device: torch.device
) -> Iterator[NDArray[np.float64]]:
    """Yield the probabilities of the classes, some images (some, k) at a time.

    Args:
        checkpoint: The network, on the device.
        images: (n, c, h, w), anywhere.
        device: Of the network.

    Raises:
        UserError: Some of the network's outputs are infinite or not a number.
    """
    n_wrong = 0
    for logits in predict_batches(checkpoint.network, images, device):
        n_wrong += int((~logits.isfinite()).any(dim=1).sum())
        yield logits.cpu().double().softmax(dim=1).numpy()
    if n_wrong:
        raise UserError(
            f"evaluate: {checkpoint.architecture} gives outputs that are not finite for "
            f"{n_wrong:,} of {len(images):,} test images; check model.weights and the network, or "
            "lower train.learning_rate"
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
    predicted = probabilities.argmax(axis=1)
    scores = class_scores(labels, predicted, probabilities.shape[1])
    return {
        "accuracy": float((predicted == labels).mean()),
        "log_loss": mean_log_loss(probabilities, labels),
        "expected_calibration_error": expected_calibration_error(probabilities, labels),
        "macro_f1": float(scores.f1.mean()),
        "lowest_recall": float(scores.recall.min()),
    }


def mean_log_loss(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Mean of -log of the true class's probability, in nats; 0 is taken as 2⁻⁵²."""
    true_class_probability = probabilities[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(true_class_probability, np.finfo(np.float64).eps)).mean())


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
    names = pd.Index(predictions.class_names)
    codes = {"actual": predictions.labels, "predicted": predictions.predicted}
    return pd.DataFrame({key: pd.Categorical.from_codes(of, names) for key, of in codes.items()})


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
    run_stage(main, Params, NEEDS_LESS)
