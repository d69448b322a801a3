"""Measure the network on the test split: `python -m stages.evaluate`."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, log_loss, precision_recall_fscore_support

from stages.pipeline.device import choose_device
from stages.pipeline.files import new_file, new_folder, write_csv, write_json
from stages.pipeline.mistakes import surest_mistakes
from stages.pipeline.network import load_network, predict
from stages.pipeline.params import DeviceName, StageParams
from stages.pipeline.splits import load_split
from stages.pipeline.stage import run_stage

N_BINS = 15  # as in Guo et al. 2017, which made the measure common
N_MISTAKES = 100


class Params(StageParams):
    """What this stage reads."""

    device: DeviceName


def main(params: Params) -> None:
    """Predict, measure, write."""
    device = choose_device(params.device)
    network, facts = load_network(Path("data/model"), device)
    test = load_split(Path("data/prepared"), "test")
    logits = predict(network, torch.from_numpy(test.images).to(device))
    probabilities = logits.cpu().double().softmax(dim=1).numpy()
    metrics = measure(probabilities, test.labels, facts.class_names)
    with new_folder(Path("data/predictions")) as folder:
        np.save(folder / "probabilities.npy", probabilities.astype(np.float32))
        np.save(folder / "labels.npy", test.labels)
    write_csv(Path("plots/confusion.csv"), confusion(probabilities, test.labels, facts.class_names))
    write_csv(Path("plots/reliability.csv"), reliability(probabilities, test.labels))
    write_csv(Path("plots/mistakes.csv"), mistakes(probabilities, test.labels, facts.class_names))
    with new_file(Path("metrics/evaluate.json")) as file:
        write_json(file, metrics)
    print(f"test accuracy {metrics['accuracy']:.2%}, log loss {metrics['log_loss']:.4f}")


def measure(
    probabilities: NDArray[np.float64], labels: NDArray[np.int64], class_names: tuple[str, ...]
) -> dict[str, Any]:
    """Quality of predictions.

    Args:
        probabilities: (n, k), rows sum to 1.
        labels: True classes (n,).
        class_names: k names.

    Returns:
        Accuracy, log loss in nats, expected calibration error, and precision, recall and F1 of
        each class; a class that was never predicted has precision 0.
    """
    classes = np.arange(len(class_names))
    predictions = probabilities.argmax(axis=1)
    precision, recall, f1, _ = precision_recall_fscore_support(
        labels, predictions, labels=classes, zero_division=0
    )
    by_class = zip(class_names, precision, recall, f1, strict=True)
    return {
        "accuracy": float(accuracy_score(labels, predictions)),
        "log_loss": float(log_loss(labels, probabilities, labels=classes)),
        "expected_calibration_error": expected_calibration_error(probabilities, labels),
        "class": {
            name: {"precision": float(p), "recall": float(r), "f1": float(f)}
            for name, p, r, f in by_class
        },
    }


def expected_calibration_error(
    probabilities: NDArray[np.float64], labels: NDArray[np.int64]
) -> float:
    """Mean distance between confidence and accuracy over bins of confidence, by their share.

    Source: Naeini et al. 2015; 15 bins of equal width as in Guo et al. 2017, arXiv:1706.04599.
    """
    bins = reliability(probabilities, labels)
    gaps = (bins["accuracy"] - bins["confidence"]).abs()
    return float((gaps * bins["images"]).sum() / bins["images"].sum())


def reliability(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> pd.DataFrame:
    """Confidence, accuracy and number of images in each bin of confidence that holds any."""
    confidence = probabilities.max(axis=1)
    hits = probabilities.argmax(axis=1) == labels
    bins = np.minimum((confidence * N_BINS).astype(int), N_BINS - 1)
    images = pd.DataFrame({"bin": bins, "confidence": confidence, "accuracy": hits})
    table = images.groupby("bin").agg(
        confidence=("confidence", "mean"),
        accuracy=("accuracy", "mean"),
        images=("accuracy", "size"),
    )
    return table.assign(perfect=table["confidence"])


def confusion(
    probabilities: NDArray[np.float64], labels: NDArray[np.int64], class_names: tuple[str, ...]
) -> pd.DataFrame:
    """Actual and predicted class of each test image, as DVC's confusion template counts them."""
    names = np.array(class_names)
    return pd.DataFrame({"actual": names[labels], "predicted": names[probabilities.argmax(axis=1)]})


def mistakes(
    probabilities: NDArray[np.float64], labels: NDArray[np.int64], class_names: tuple[str, ...]
) -> pd.DataFrame:
    """List the wrong predictions the network was surest of: at most 100, the surest first."""
    names = np.array(class_names)
    predictions = probabilities.argmax(axis=1)
    rows = surest_mistakes(probabilities, labels)[:N_MISTAKES]
    return pd.DataFrame(
        {
            "index": rows,
            "actual": names[labels[rows]],
            "predicted": names[predictions[rows]],
            "probability": probabilities[rows].max(axis=1),
            "probability_of_actual": probabilities[rows, labels[rows]],
        }
    )


if __name__ == "__main__":
    run_stage(main, Params)
