"""Reliability: accuracy by confidence."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

N_BINS = 15  # as in Guo et al. 2017, who made the measure popular


def reliability(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> pd.DataFrame:
    """A row for each bin of confidence that is not empty.

    Columns: confidence, accuracy (means over the bin's images), images (their number), perfect (the
    accuracy of a calibrated network: the confidence).
    """
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
