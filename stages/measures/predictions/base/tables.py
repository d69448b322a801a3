"""Tables of the predictions: `plots/confusion.csv` and `plots/mistakes.csv`."""

import numpy as np
import pandas as pd

from stages.artifacts.predictions import Predictions

N_MISTAKES = 100


def confusion(predictions: Predictions) -> pd.DataFrame:
    """Actual and predicted class of each test image; DVC's confusion template counts them.

    With several labels an image, a row for each image and label: `present` or `absent`, and the
    label, so that the plot has the counts over all labels and the table those of each.
    """
    if predictions.multiple:
        states = pd.Index(["absent", "present"])
        return pd.DataFrame(
            {
                "actual": states[predictions.is_true.ravel().astype(int)],
                "predicted": states[predictions.is_predicted.ravel().astype(int)],
                "label": np.tile(predictions.class_names, len(predictions.labels)),
            }
        )
    names = pd.Index(predictions.class_names)
    columns = {"actual": predictions.labels, "predicted": predictions.predicted}
    return pd.DataFrame(
        {name: pd.Categorical.from_codes(codes, names) for name, codes in columns.items()}
    )


def mistakes(predictions: Predictions) -> pd.DataFrame:
    """The most confident wrong predictions, at most `N_MISTAKES`, the highest probability first.

    With several labels an image, a row for each wrong label: its probability, and whether it is
    present or absent, the furthest from the truth first.
    """
    if predictions.multiple:
        return _wrong_labels(predictions)
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


def _wrong_labels(predictions: Predictions) -> pd.DataFrame:
    misses = np.abs(predictions.is_true - np.asarray(predictions.probabilities, np.float64))
    rows, numbers = np.nonzero(predictions.is_true != predictions.is_predicted)
    order = np.argsort(-misses[rows, numbers], kind="stable")[:N_MISTAKES]
    rows, numbers = rows[order], numbers[order]
    is_true = predictions.is_true[rows, numbers]
    return pd.DataFrame(
        {
            "index": rows,
            "name": predictions.names[rows],
            "label": np.array(predictions.class_names)[numbers],
            "actual": np.where(is_true, "present", "absent"),
            "predicted": np.where(is_true, "absent", "present"),
            "probability": predictions.probabilities[rows, numbers],
        }
    )
