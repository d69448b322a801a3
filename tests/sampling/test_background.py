"""The choice of the background, its groups, and the standard error."""

import itertools
from collections import Counter

import numpy as np
import pytest
import torch

from stages.base.errors.user import UserError
from stages.sampling import background
from stages.sampling.background import choose_background, group_sizes, standard_error

TRAIN_LABELS = np.random.default_rng(0).choice(4, size=1000, p=[0.5, 0.3, 0.15, 0.05])


@pytest.mark.parametrize("n_background", [1, 7, 100, 999, 1000])
def test_a_stratified_background_keeps_the_share_of_each_class(n_background: int) -> None:
    chosen = choose_background(TRAIN_LABELS, n_background, "stratified", seed=0)
    assert len(chosen) == len(np.unique(chosen)) == n_background
    counts, shares = Counter(TRAIN_LABELS[chosen].tolist()), Counter(TRAIN_LABELS.tolist())
    for label, size in shares.items():
        assert abs(counts[label] - size * n_background / 1000) < 1


@pytest.mark.parametrize("n_background", [2, 7, 100, 999])
def test_groups_of_a_stratified_background_are_stratified(n_background: int) -> None:
    chosen = choose_background(TRAIN_LABELS, n_background, "stratified", seed=0)
    n_groups = min(10, n_background)
    groups = torch.tensor_split(torch.from_numpy(TRAIN_LABELS[chosen]), n_groups)
    counts = torch.stack([group.bincount(minlength=4) for group in groups])
    assert (counts.amax(dim=0) - counts.amin(dim=0) <= 1).all()


@pytest.mark.parametrize("n_background", [1, 2, 9, 10, 11, 23, 100, 1000])
def test_group_sizes_equal_those_of_tensor_split(n_background: int) -> None:
    sizes = group_sizes(n_background).tolist()
    if n_background == 1:
        assert sizes == []
    else:
        groups = torch.arange(n_background).tensor_split(min(10, n_background))
        assert sizes == [len(group) for group in groups]


def test_a_random_background_is_in_the_order_drawn() -> None:
    """Consecutive images then are a random group; a larger draw starts with the smaller one."""
    few, many = (choose_background(TRAIN_LABELS, n, "random", seed=0) for n in (20, 50))
    assert few.tolist() == many[:20].tolist() != np.sort(few).tolist()


@pytest.mark.parametrize(("size", "n_drawn"), [(6, 3), (7, 5), (5, 5)])
def test_the_standard_error_is_exact_over_all_possible_draws(
    size: int, n_drawn: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Averaged over all draws in all orders, its square equals the variance of the drawn means.

    Checked by enumeration, with the finite population factor, for groups of unequal size too.
    """
    monkeypatch.setattr(background, "MOST_GROUPS", 2)
    population = np.random.default_rng(0).normal(size=size)
    draws = population[list(itertools.permutations(range(size), n_drawn))]
    sizes = group_sizes(n_drawn)
    assert sizes.tolist() == [-(-n_drawn // 2), n_drawn // 2]
    groups = np.stack([draws[:, : sizes[0]].mean(axis=1), draws[:, sizes[0] :].mean(axis=1)])
    squares = standard_error(groups.T, n_drawn, size) ** 2
    assert squares.mean() == pytest.approx(draws.mean(axis=1).var(), rel=1e-9, abs=1e-15)


def test_a_random_background_is_drawn_without_repeats() -> None:
    drawn = [choose_background(TRAIN_LABELS, 50, "random", seed=seed) for seed in (0, 0, 1)]
    assert all(len(np.unique(indices)) == 50 for indices in drawn)
    assert drawn[0].tolist() == drawn[1].tolist() != drawn[2].tolist()


def test_a_background_larger_than_the_training_split_is_rejected() -> None:
    message = r"explain\.n_background: must be at most 1,000, .* \(got 1,001\)"
    with pytest.raises(UserError, match=message):
        choose_background(TRAIN_LABELS, 1001, "stratified", seed=0)
