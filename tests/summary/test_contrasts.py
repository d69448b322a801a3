import numpy as np

from stages.figures.run import Run
from stages.summary.contrasts import (
    confusion_counts,
    contrasts_of_mistakes,
    contrasts_of_pair,
    most_confused,
)


def test_confusion_counts_equal_counting(digits: Run) -> None:
    labels, predictions = digits.predictions.labels, digits.predictions.predicted
    counts = confusion_counts(labels, predictions, 10)
    for true in range(10):
        for predicted in range(10):
            both = (labels == true) & (predictions == predicted)
            assert counts[true, predicted] == both.sum()
    true, predicted = most_confused(counts) or (0, 0)
    assert counts[true, predicted] == (counts - np.diag(np.diag(counts))).max()
    assert most_confused(np.diag([3, 4])) is None


def test_contrasts_of_mistakes_are_the_surest_ones_first(digits: Run) -> None:
    explanation = digits.explanation
    contrasts = contrasts_of_mistakes(explanation)
    wrong = explanation.predicted != explanation.labels
    surest = np.sort(explanation.probabilities[wrong].max(axis=1))[::-1][:10]
    for (image, a, b), chance in zip(contrasts, surest, strict=True):
        assert explanation.probabilities[image].max() == chance
        assert a == explanation.predicted[image]
        assert b == explanation.labels[image] != a


def test_contrasts_of_a_pair_start_with_that_mistake(digits: Run) -> None:
    explanation = digits.explanation
    counts = confusion_counts(digits.predictions.labels, digits.predictions.predicted, 10)
    true, predicted = most_confused(counts) or (0, 0)
    contrasts = contrasts_of_pair(explanation, true, predicted)
    images = [image for image, _, _ in contrasts]
    assert all((a, b) == (predicted, true) for _, a, b in contrasts)
    assert set(explanation.labels[images]) <= {true, predicted}
    mistaken = (explanation.labels[images] == true) & (explanation.predicted[images] == predicted)
    assert mistaken[: mistaken.sum()].all()
    assert mistaken[0]
