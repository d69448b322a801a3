"""Scores by class against scikit-learn, which no stage imports: it takes a second to load."""

import numpy as np
import pytest
from sklearn.metrics import precision_recall_fscore_support

from stages.measures.predictions.base.class_scores import class_scores


@pytest.mark.parametrize("n_classes", [2, 3, 40])
def test_scores_by_class_are_those_of_scikit_learn(n_classes: int) -> None:
    """Of the forty classes, several have no images, no predictions, or neither."""
    rng = np.random.default_rng(n_classes)
    labels, predicted = rng.integers(0, n_classes, (2, 50))
    scores = class_scores(labels, predicted, n_classes)
    precision, recall, f1, images = precision_recall_fscore_support(
        labels, predicted, labels=np.arange(n_classes), zero_division=0
    )
    np.testing.assert_allclose(scores.precision, precision)
    np.testing.assert_allclose(scores.recall, recall)
    np.testing.assert_allclose(scores.f1, f1)
    np.testing.assert_array_equal(scores.images, images)
    if n_classes == 40:
        assert 0 in images
