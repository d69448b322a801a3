"""Which training images stand for "no information"."""

from collections import Counter

import numpy as np
import pytest

from stages.core.errors import UserError
from stages.sampling.background import choose_background

TRAIN_LABELS = np.random.default_rng(0).choice(4, size=1000, p=[0.5, 0.3, 0.15, 0.05])


@pytest.mark.parametrize("n_background", [1, 7, 100, 999, 1000])
def test_a_stratified_background_has_each_class_by_its_share(n_background: int) -> None:
    chosen = choose_background(TRAIN_LABELS, n_background, "stratified", seed=0)
    assert len(np.unique(chosen)) == n_background
    assert (np.diff(chosen) > 0).all()
    counts, shares = Counter(TRAIN_LABELS[chosen].tolist()), Counter(TRAIN_LABELS.tolist())
    for label, size in shares.items():
        assert abs(counts[label] - size * n_background / 1000) < 1


def test_a_random_background_is_drawn_without_repeats() -> None:
    drawn = [choose_background(TRAIN_LABELS, 50, "random", seed=seed) for seed in (0, 0, 1)]
    assert all(len(np.unique(positions)) == 50 for positions in drawn)
    assert drawn[0].tolist() == drawn[1].tolist() != drawn[2].tolist()


def test_a_background_larger_than_the_training_split() -> None:
    message = r"explain\.n_background: must be at most 1,000, .* \(got 1,001\)"
    with pytest.raises(UserError, match=message):
        choose_background(TRAIN_LABELS, 1001, "stratified", seed=0)
