"""The loss with weights of classes, compared with scikit-learn's and a literal one."""

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss
from sklearn.utils.class_weight import compute_class_weight
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from stages.training.objective import class_weights, loss_and_correct

from .options import options

LABELS = torch.tensor([0] * 30 + [1] * 5 + [2] * 2)
SEVERAL = torch.tensor([[1, 0, 1]] * 3 + [[0, 1, 1]] * 5 + [[0, 0, 1]] * 4)


def balanced(labels: Tensor) -> Tensor:
    weights = class_weights(options(class_weights="balanced"), labels)
    assert weights is not None
    return weights


def test_balanced_weights_are_those_of_scikit_learn() -> None:
    classes = np.arange(3)
    expected = compute_class_weight("balanced", classes=classes, y=LABELS.numpy())
    np.testing.assert_allclose(balanced(LABELS).numpy(), expected, rtol=1e-6)
    for number in range(2):  # the third label is present everywhere
        column = SEVERAL[:, number].numpy()
        expected = compute_class_weight("balanced", classes=classes[:2], y=column)
        np.testing.assert_allclose(balanced(SEVERAL)[:, number].numpy(), expected, rtol=1e-6)
    assert balanced(SEVERAL)[1, 2] == 1
    assert class_weights(options(), LABELS) is None


def test_the_weighted_loss_of_classes_is_that_of_scikit_learn() -> None:
    """With a class that only the network has."""
    logits = torch.randn(37, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    loss, correct = loss_and_correct(logits, LABELS, balanced(LABELS))
    weights = balanced(LABELS)[LABELS].numpy()
    probabilities = logits.softmax(dim=1).numpy()
    arguments: dict[str, Any] = {
        "labels": list(range(4)),
        "sample_weight": weights,
        "normalize": False,
    }
    assert loss.item() == pytest.approx(log_loss(LABELS.numpy(), probabilities, **arguments))
    assert correct == (logits.argmax(dim=1) == LABELS).sum()


def test_the_weighted_loss_of_labels_is_the_literal_sum() -> None:
    logits = torch.randn(12, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    loss, _ = loss_and_correct(logits, SEVERAL, balanced(SEVERAL))
    expected = 0.0
    for i, j in np.ndindex(12, 3):
        label = SEVERAL[i, j]
        one = binary_cross_entropy_with_logits(logits[i, j], label.double()).item()
        n_alike = (SEVERAL[:, j] == label).sum().item()
        n_kinds = len(SEVERAL[:, j].unique())
        expected += one * 12 / (n_kinds * n_alike) / 3
    assert loss.item() == pytest.approx(expected)
