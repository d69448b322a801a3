import numpy as np

from stages.figures.chosen_contrasts import (
    confusion_counts,
    contrasts_of_mistakes,
    contrasts_of_pair,
    most_confused,
)
from stages.figures.run import Run
from tests.runs import with_maps


def test_confusion_counts_equal_a_direct_count(digits: Run) -> None:
    labels, predictions = digits.predictions.labels, digits.predictions.predicted
    counts = confusion_counts(labels, predictions, 10)
    for true in range(10):
        for predicted in range(10):
            both = (labels == true) & (predictions == predicted)
            assert counts[true, predicted] == both.sum()
    true, predicted = most_confused(counts, np.arange(10)) or (0, 0)
    assert counts[true, predicted] == (counts - np.diag(np.diag(counts))).max()
    assert most_confused(np.diag([3, 4]), np.arange(2)) is None


def test_contrasts_of_mistakes_start_with_the_most_confident(digits: Run) -> None:
    explanation = digits.explanation
    contrasts = contrasts_of_mistakes(explanation)
    wrong = explanation.predicted != explanation.labels
    surest = np.sort(explanation.probabilities[wrong].max(axis=1))[::-1][:10]
    for (image_index, a, b), confidence in zip(contrasts, surest, strict=True):
        assert explanation.probabilities[image_index].max() == confidence
        assert a == explanation.predicted[image_index]
        assert b == explanation.labels[image_index] != a


def test_contrasts_of_a_pair_start_with_its_mistakes(digits: Run) -> None:
    explanation = digits.explanation
    counts = confusion_counts(digits.predictions.labels, digits.predictions.predicted, 10)
    true, predicted = most_confused(counts, np.arange(10)) or (0, 0)
    contrasts = contrasts_of_pair(explanation, true, predicted)
    indices = [contrast.image_index for contrast in contrasts]
    assert all((a, b) == (predicted, true) for _, a, b in contrasts)
    labels, predictions = explanation.labels[indices], explanation.predicted[indices]
    assert set(labels) <= {true, predicted}
    mistaken = (labels == true) & (predictions == predicted)
    assert mistaken[: mistaken.sum()].all()
    assert mistaken[0]


def test_a_pair_is_chosen_among_the_explained_classes() -> None:
    counts = np.array([[9, 8, 1], [2, 9, 3], [5, 0, 9]])
    assert most_confused(counts, np.array([0, 1, 2])) == (0, 1)
    assert most_confused(counts, np.array([0, 2])) == (2, 0)
    assert most_confused(counts, np.array([1])) is None


def test_only_images_with_maps_of_both_classes_are_contrasted(digits: Run) -> None:
    explanation = digits.explanation
    every = contrasts_of_mistakes(explanation)
    kept = np.unique(
        [explanation.labels[every[0].image_index], explanation.predicted[every[0].image_index]]
    )
    some = with_maps(digits, np.tile(kept, (len(explanation.labels), 1))).explanation
    assert contrasts_of_mistakes(some)[0] == every[0]
    both = [{plus, minus} for _, plus, minus in contrasts_of_mistakes(some)]
    assert all(pair <= set(kept) for pair in both)
    predicted = with_maps(digits, explanation.predicted[:, None]).explanation
    assert contrasts_of_mistakes(predicted) == []
    assert contrasts_of_pair(predicted, int(kept[0]), int(kept[1])) == []
