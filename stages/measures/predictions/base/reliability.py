"""Reliability: accuracy by confidence."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stages.artifacts.splits import THRESHOLD

N_BINS = 15  # as in Guo et al. 2017, who made the measure popular


def reliability(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> pd.DataFrame:
    """A row for each bin of confidence that is not empty.

    Columns: confidence, accuracy (means over the bin's images), images (their number), perfect (the
    accuracy of a calibrated network: the confidence). With several labels an image, each pair of
    image and label counts as an image, whose confidence is that in its prediction, true or not.
    """
    if labels.ndim == 1:
        confidence = probabilities.max(axis=1)
        correct = probabilities.argmax(axis=1) == labels
    else:
        confidence = np.maximum(probabilities, 1 - probabilities).ravel()
        correct = ((probabilities > THRESHOLD) == (labels > 0)).ravel()
    bins = np.minimum((confidence * N_BINS).astype(int), N_BINS - 1)
    by_image = pd.DataFrame({"bin": bins, "confidence": confidence, "accuracy": correct})
    by_bin = by_image.groupby("bin").agg(
        confidence=("confidence", "mean"),
        accuracy=("accuracy", "mean"),
        images=("accuracy", "size"),
    )
    return by_bin.assign(perfect=by_bin["confidence"])


def calibration_error(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Mean |accuracy - confidence| over the bins of `reliability`, weighted by their size."""
    bins = reliability(probabilities, labels)
    gaps = (bins["accuracy"] - bins["confidence"]).abs()
    return float((gaps * bins["images"]).sum() / bins["images"].sum())
