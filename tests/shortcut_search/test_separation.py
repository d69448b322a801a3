"""The statistics: uniform p-values where membership means nothing, Holm's correction."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kstest

from stages.shortcut_search.scan import best_cut
from stages.shortcut_search.search import standard_error
from stages.shortcut_search.separation import (
    holm,
    rank_p,
    sign_p,
    standing,
    standing_by_pairs,
)


def test_p_values_are_uniform_if_labels_are_shuffled_among_images() -> None:
    rng = np.random.default_rng(0)
    # Images differ, hosts differ, and some images act far above all: only membership means nothing.
    effects = rng.standard_exponential((120, 1)) ** 3 + rng.normal(0, 0.3, (120, 27))
    p_values = []
    for _ in range(2000):
        shuffled = rng.permutation(120)
        p_values.append(rank_p(effects[shuffled[:25]], effects[shuffled[25:]]))
    assert kstest(p_values, "uniform").pvalue > 0.01
    assert kstest(np.array(p_values) ** 2, "uniform").pvalue < 1e-6  # the check can fail


def test_few_members_have_exact_p_values() -> None:
    others = np.arange(10.0)[:, None].repeat(3, axis=1)
    members = np.full((2, 3), 100.0) + np.arange(2)[:, None]
    assert rank_p(members, others) == pytest.approx(1 / 66)  # one of the 12 over 2 choices


def test_hosts_are_counted_by_the_binomial_distribution() -> None:
    assert sign_p(np.array([1.1, 9, 9, 2, 1.0])) == pytest.approx((5 + 1) / 32)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_rejects_as_the_step_down_procedure_does(raw: list[float]) -> None:
    """Written out: reject from the least p on, as long as p ≤ level / tests that are left."""
    level, rejected = 0.05, set()
    order = sorted(range(len(raw)), key=lambda i: raw[i])
    for step, index in enumerate(order):
        if raw[index] * (len(raw) - step) > level:
            break
        rejected.add(index)
    adjusted = holm(np.array(raw))
    assert set(np.flatnonzero(adjusted <= level)) == rejected


def test_no_test_needs_no_correction() -> None:
    assert holm(np.zeros(0)).shape == (0,)


def test_standing_is_a_distance_of_percentiles() -> None:
    others = np.arange(101.0)[:, None]
    members = np.arange(200.0, 301)[:, None]
    assert standing(members, others) == pytest.approx([(210 - 95) / (1.25 * 90 + 0.25)])


def test_members_by_a_mark_are_compared_pair_by_pair() -> None:
    others = np.array([[0.0, 0], [1, 1], [2, 2], [3, 3], [4, 4]])
    members = np.array([[9.0, 2.5], [9, 2.5]])
    # Ahead of all, and of three in five.
    assert standing_by_pairs(members, others) == pytest.approx([1.25, 0.25])


def test_a_cut_divides_where_the_parts_are_furthest_apart() -> None:
    rng = np.random.default_rng(1)
    sums = np.concatenate([rng.normal(0, 1, 80), rng.normal(30, 1, 20)])[:, None]
    gap, threshold = best_cut(sums, 0.1)
    assert 5 < threshold[0] < 25
    assert gap[0] > 10
    assert best_cut(rng.normal(0, 1, (100, 1)), 0.1).gap[0] < 2


def test_standard_errors_are_those_of_repeated_draws() -> None:
    """Donors and hosts have their own effects; draws of both are repeated, and their means vary."""
    rng = np.random.default_rng(2)

    def draw() -> np.ndarray:
        donors, hosts = rng.normal(0, 1, (30, 1)), rng.normal(0, 2, (1, 20))
        return donors + hosts + rng.normal(0, 0.1, (30, 20))

    means = [draw().mean() for _ in range(2000)]
    errors = [standard_error(draw()) for _ in range(200)]
    assert np.sqrt(np.mean(np.square(errors))) == pytest.approx(np.std(means), rel=0.1)
