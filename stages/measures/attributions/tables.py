"""Tables of the explanation: `plots/attributions.csv` and `plots/classes.csv`."""

import csv
from pathlib import Path

import numpy as np
import pandas as pd

from stages.artifacts.explanation import Explanation
from stages.artifacts.predictions import Predictions
from stages.base.files.atomic import new_file
from stages.measures.attributions.summary import Summary
from stages.measures.attributions.top_class import top_class_agreement_by_class
from stages.measures.predictions.base.class_scores import ClassScores, class_scores
from stages.measures.predictions.base.label_scores import LabelScores, label_scores

SEPARATOR = "; "


def class_table(
    predictions: Predictions, explanation: Explanation, summary: Summary
) -> pd.DataFrame:
    """How well each class is predicted and explained, one row per class.

    Columns: class; images, their number in the test split; precision, recall and f1 on the test
    split, 0 for a class without images or predictions; top_class_agreement, share of the explained
    images predicted as this class whose largest summed attribution is this class's, empty without
    such an image, or unless all classes are explained; strength, sum over pixels of |attribution|
    to the class, mean over the explained images that have a map of it, output units, empty if none
    has. With several labels an image: images that have the label, and also accuracy,
    average_precision and auroc, empty where they are undefined; no top-class agreement.
    """
    n_classes = len(predictions.class_names)
    scores: ClassScores | LabelScores
    if predictions.multiple:
        scores = label_scores(predictions.probabilities, predictions.labels)
    else:
        scores = class_scores(predictions.labels, predictions.predicted, n_classes)
    agreement = top_class_agreement_by_class(explanation, summary.sums)
    return pd.DataFrame(
        {
            "class": predictions.class_names,
            **scores._asdict(),
            "top_class_agreement": [agreement.get(number, np.nan) for number in range(n_classes)],
            "strength": summary.strengths,
        }
    )


def write_attribution_table(path: Path, explanation: Explanation, summary: Summary) -> None:
    """Write a CSV row for each image: its prediction and the summed attributions of its maps.

    Columns: index (in the test split), name, true, predicted (several labels are separated by
    `SEPARATOR`); the three most probable classes, each
    with its probability (fewer for two classes); then, for each class that is explained for any
    image, the sum of the attributions to it, empty where the image has no map of it.
    """
    names = explanation.class_names
    explained = np.unique(explanation.classes)
    ranks = range(1, min(3, len(names)) + 1)
    order = np.argsort(-explanation.probabilities, axis=1, kind="stable")
    with (
        new_file(path) as partial,
        partial.open("w", encoding="utf-8", newline="", errors="backslashreplace") as file,
    ):
        table = csv.writer(file, lineterminator="\n")
        tops = [column for rank in ranks for column in (f"class {rank}", f"probability {rank}")]
        sums = [f"sum of {names[number]}" for number in explained]
        table.writerow(["index", "name", "true", "predicted", *tops, *sums])
        for i, index in enumerate(explanation.indices):
            true, predicted = (
                SEPARATOR.join(names[number] for number in np.flatnonzero(mask[i]))
                for mask in (explanation.is_true, explanation.is_predicted)
            )
            cells = [str(index), str(explanation.names[i]), true, predicted]
            for top in order[i, : len(ranks)]:
                cells += [names[top], f"{explanation.probabilities[i, top]:.6f}"]
            totals = dict(zip(explanation.classes[i], summary.sums[i], strict=True))
            cells += [f"{totals[c]:.6g}" if c in totals else "" for c in explained]
            table.writerow(cells)
