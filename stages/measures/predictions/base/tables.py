"""Tables of the predictions: `plots/confusion.csv` and `plots/mistakes.csv`."""

import numpy as np
import pandas as pd

from stages.artifacts.predictions import Predictions

N_MISTAKES = 100


def confusion(predictions: Predictions) -> pd.DataFrame:
    """Actual and predicted class of each test image; DVC's confusion template counts them."""
    names = pd.Index(predictions.class_names)
    columns = {"actual": predictions.labels, "predicted": predictions.predicted}
    return pd.DataFrame(
        {name: pd.Categorical.from_codes(codes, names) for name, codes in columns.items()}
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
