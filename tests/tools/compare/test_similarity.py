"""Measures of similarity against other libraries, literal loops and simulated noise."""

import numpy as np
import pytest
from scipy.stats import pearsonr, ttest_1samp

from tools.compare.similarity import (
    Similarity,
    changed_pixels,
    pearson_of_others,
    pearson_of_redrawn,
)

ENDLESS = 2**62  # training images: an infinite population


@pytest.fixture
def draw() -> np.random.Generator:
    """A generator for one test, so that its numbers do not depend on the tests before it."""
    return np.random.default_rng(0)


def test_pearson_equals_scipy(draw: np.random.Generator) -> None:
    a, b = draw.normal(size=(6, 5, 7)), draw.normal(size=(6, 5, 7))
    b[3:] = 0.9 * a[3:] + 0.1 * b[3:]
    found = Similarity.of(a, b).pearson
    expected = [pearsonr(x.ravel(), y.ravel()).statistic for x, y in zip(a, b, strict=True)]
    assert found == pytest.approx(expected, abs=1e-12)
    assert Similarity.of(a, -a).pearson == pytest.approx(-1)


def test_overlap_counts_the_strongest_pixels_in_common() -> None:
    a = np.zeros((1, 10, 10))
    b = np.zeros((1, 10, 10))
    a[0, 0, :5] = [5, -6, 7, 8, -9]  # five of a hundred pixels
    b[0, 0, 2:7] = [1, -2, 3, 4, 5]
    a[0, 5, 5] = b[0, 5, 5] = 0.5
    assert Similarity.of(a, b).overlap == pytest.approx(3 / 5)


def test_moved_and_strength_by_hand() -> None:
    a, b = np.array([[[1.0, -2.0, 0.0]]]), np.array([[[1.0, 2.0, 3.0]]])
    found = Similarity.of(a, b)
    assert found.moved == pytest.approx((0 + 4 + 3) / (3 + 6))
    assert found.strength == pytest.approx(2)
    assert Similarity.of(a, 3 * a).pearson == pytest.approx(1), "blind to scale"
    assert Similarity.of(a, 3 * a).strength == pytest.approx(3)


def test_maps_of_zeros_are_handled(draw: np.random.Generator) -> None:
    a, zeros = draw.normal(size=(1, 4, 4)), np.zeros((1, 4, 4))
    zero_maps = Similarity.of(zeros, zeros)
    assert (zero_maps.pearson, zero_maps.overlap, zero_maps.moved) == (1, 1, 0)
    assert np.isnan(zero_maps.strength)
    for found in (Similarity.of(a, zeros), Similarity.of(zeros, a)):
        assert (found.pearson, found.moved) == (0, 1)


def test_other_images_are_all_pairs_of_different_images(draw: np.random.Generator) -> None:
    a, b = draw.normal(size=(5, 4, 4)), draw.normal(size=(5, 4, 4))
    b[2] += a[0]
    pairs = [(i, j) for i in range(5) for j in range(5) if i != j]
    expected = np.mean([np.corrcoef(a[i].ravel(), b[j].ravel())[0, 1] for i, j in pairs])
    assert pearson_of_others(a, b) == pytest.approx(expected, abs=1e-12)
    assert np.isnan(pearson_of_others(a[:1], b[:1]))


def test_the_similarity_expected_of_another_background_is_that_of_independent_noise(
    draw: np.random.Generator,
) -> None:
    """Two maps of one truth with independent noise, whose strength varies by pixel."""
    truth = draw.gamma(0.5, size=(28, 28))
    sigma = 0.4 * truth + 0.1
    noisy = truth + sigma * draw.normal(size=(2, 400, 28, 28))
    found = [pearsonr(a.ravel(), b.ravel()).statistic for a, b in zip(*noisy, strict=True)]
    errors = np.broadcast_to(sigma, noisy[0].shape)
    expected = pearson_of_redrawn(noisy[0], errors)
    error = np.std(found) / np.sqrt(400)
    assert 0.5 < np.mean(found) < 0.95
    assert expected.mean() == pytest.approx(np.mean(found), abs=4 * error)
    assert pearson_of_redrawn(noisy[0], 0 * errors) == pytest.approx(1)


def test_changed_pixels_are_those_of_a_paired_t_test(draw: np.random.Generator) -> None:
    old = draw.normal(size=(3, 10, 6, 6))
    new = old + 0.3 + 0.4 * draw.normal(size=(3, 10, 6, 6))
    t = ttest_1samp(new - old, 0, axis=1).statistic  # ten groups of the same size
    found = changed_pixels(old, new, 50, ENDLESS)
    assert 0.1 < found.mean() < 0.9
    np.testing.assert_array_equal(found, np.abs(t) > 3)


def test_rounding_and_nan_are_no_change(draw: np.random.Generator) -> None:
    old = draw.normal(size=(2, 10, 6, 6)).astype(np.float32)
    assert not changed_pixels(old, old, 50, ENDLESS).any()
    assert not changed_pixels(old, old * np.float32(1 + 1e-7), 50, ENDLESS).any()
    assert not changed_pixels(np.full_like(old, np.nan), old, 50, ENDLESS).any()
