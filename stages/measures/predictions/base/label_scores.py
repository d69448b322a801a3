"""How well each label is predicted, where an image may have several."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.artifacts.splits import THRESHOLD
from stages.base.errors.user import UserError


class LabelScores(NamedTuple):
    """How well each of k labels is predicted; NaN where a score is undefined.

    Attributes:
        images: Number of images that have the label (k,).
        accuracy: Share of the images for which the prediction of the label is right (k,).
        precision: Share of the images predicted to have the label that have it (k,); 0 if none is.
        recall: Share of the images with the label that are predicted to have it (k,); NaN without
            such images, and so are the following.
        f1: Harmonic mean of precision and recall (k,).
        average_precision: Area under the steps of the curve of precision by recall (k,).
        auroc: Share of the pairs of an image with and an image without the label in which the
            first has the higher probability (k,); NaN if all images have it, too.
    """

    images: NDArray[np.int64]
    accuracy: NDArray[np.float64]
    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    f1: NDArray[np.float64]
    average_precision: NDArray[np.float64]
    auroc: NDArray[np.float64]


def label_scores(probabilities: NDArray[np.floating], labels: NDArray[np.int64]) -> LabelScores:
    """Compare probabilities (n, k) with 0 and 1 for each label (n, k), label by label."""
    predicted, true = probabilities > THRESHOLD, labels > 0
    images, predictions, right = (
        array.sum(axis=0) for array in (true, predicted, predicted & true)
    )
    occurs = np.where(images > 0, 1.0, np.nan)
    return LabelScores(
        images=images,
        accuracy=(predicted == true).mean(axis=0),
        precision=right / np.maximum(predictions, 1),
        recall=occurs * right / np.maximum(images, 1),
        f1=occurs * 2 * right / np.maximum(images + predictions, 1),
        **_ranked(probabilities, true),
    )


def macro(scores: NDArray[np.float64]) -> float:
    """Mean of the scores (k,) that are defined.

    Raises:
        UserError: None is.
    """
    if np.isnan(scores).all():
        raise UserError(
            "evaluate: each label belongs to none or to all of the test images, so no label can be "
            "scored; use more test images (preprocess.limit, preprocess.test_fraction)"
        )
    return float(np.nanmean(scores))


def _ranked(
    probabilities: NDArray[np.floating], true: NDArray[np.bool_]
) -> dict[str, NDArray[np.float64]]:
    """The scores that depend on the order of the images by probability."""
    from sklearn.metrics import average_precision_score, roc_auc_score  # here: takes a second

    precision, area = np.full((2, true.shape[1]), np.nan)
    for number, (scores, has) in enumerate(zip(probabilities.T, true.T, strict=True)):
        if has.any():
            precision[number] = average_precision_score(has, scores)
        if has.any() and not has.all():
            area[number] = roc_auc_score(has, scores)
    return {"average_precision": precision, "auroc": area}
