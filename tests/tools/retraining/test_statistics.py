"""What is counted over trainings, against closed forms, drawn truth and other libraries."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from tests.tools.retraining.samples import digits_sample, equal_sample
from tools.retraining.bands import Bands, agreement, sign_counts
from tools.retraining.likeness import Likeness
from tools.retraining.readings import cut, find_readings
from tools.retraining.results import Results
from tools.retraining.spread import Spread, t_quantile


def drawn(t: int, *shape: int, seed: int = 0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(size=(t, *shape))


@pytest.mark.parametrize(("n", "printed"), [(2, 12.706), (3, 4.303), (10, 2.262), (31, 2.042)])
def test_the_quantiles_are_those_of_printed_tables(n: int, printed: float) -> None:
    """Student's t, 95 % two-sided, n - 1 degrees of freedom."""
    assert t_quantile(n) == pytest.approx(printed, abs=5e-4)


def test_one_value_has_no_spread() -> None:
    with pytest.raises(ValueError, match=r"at least 2 values \(got 1\)"):
        t_quantile(1)


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """5,000 times: the mean of five values, and a sixth value. A normal quantile holds 88 %."""
    values = drawn(5_000, 6)
    spreads = [Spread.of(row[:5]) for row in values]
    means = np.array([abs(spread.mean) <= spread.half_width for spread in spreads])
    sixth = [s.band[0] <= row[5] <= s.band[1] for s, row in zip(spreads, values, strict=True)]
    for held in (means, np.array(sixth)):
        assert stats.binomtest(int(held.sum()), len(held), 0.95).pvalue > 1e-3
    narrow = [abs(s.mean) <= 1.96 * s.deviation / np.sqrt(5) for s in spreads]
    assert np.mean(narrow) < 0.9


def test_the_band_of_trainings_holds_one_that_is_left_out() -> None:
    """Normally distributed maps: 95 % of the pixels, whatever the number of trainings."""
    for t in (3, 6, 11):
        coverage = Bands(drawn(t, 20, 15, 15), None).coverage()
        assert coverage.shape == (t,)
        assert coverage.mean() == pytest.approx(0.95, abs=0.01)


def test_pixels_without_any_difference_do_not_count_as_covered() -> None:
    maps = drawn(5, 10, 20, 20)
    wide = np.pad(maps, ((0, 0), (0, 0), (6, 6), (6, 6)))
    expected = Bands(maps, None).coverage()
    np.testing.assert_allclose(Bands(wide, None).coverage(), expected)


def test_equal_trainings_have_no_noise_at_all() -> None:
    """The same seed twice, or a network whose training ignores it: exactly 0 and 1."""
    results = Results(equal_sample())
    bands, likeness = results.bands, results.likeness
    assert (bands.over_trainings == 0).all()
    np.testing.assert_array_equal(bands.mean, results.sample.maps[0])
    assert (bands.agreement == 1).all()
    assert (likeness.by_image == 1).all()
    assert (likeness.mean, likeness.error, likeness.half_width) == (1, 0, 0)
    assert np.isnan(bands.coverage()).all()
    assert (results.readings == 0).all()
    assert {(s.deviation, s.half_width) for s in results.spreads.values()} == {(0, 0)}


def test_the_two_sources_of_noise_add_up() -> None:
    """Maps are drawn as truth + training + background; each error bar knows its background's."""
    training, background = 0.5, 1.2
    maps = drawn(2_000, 1, 4, 4) * training
    squared = np.full((1, 4, 4), background**2)
    bands = Bands(maps, squared)
    assert bands.over_backgrounds is not None
    assert bands.together is not None
    np.testing.assert_allclose(bands.over_trainings, training, rtol=0.1)
    np.testing.assert_allclose(bands.over_backgrounds, background)
    both = maps + drawn(2_000, 1, 4, 4, seed=1) * background
    np.testing.assert_allclose(bands.together, both.std(axis=0), rtol=0.1)


def test_numpy_gives_the_same_means_and_deviations() -> None:
    maps = drawn(7, 5, 6, 6)
    maps[3, 2] = np.nan  # this training has no map of the class
    bands = Bands(maps, None)
    np.testing.assert_allclose(bands.mean, np.nanmean(maps, axis=0))
    np.testing.assert_allclose(bands.over_trainings, np.nanstd(maps, axis=0, ddof=1))
    assert bands.n_trainings.tolist() == [7, 7, 6, 7, 7]
    assert bands.over_backgrounds is bands.together is None


def test_signs_are_counted_one_by_one() -> None:
    maps = np.array([[[1, -1, 0, 1e-9]], [[2, -1, 0, 0]], [[-1, -2, 1, -1e-9]]])[:, None]
    expected = [[2 / 3, 1, 2 / 3, 1]]  # 1e-9 is rounding
    np.testing.assert_allclose(Bands(maps, None).agreement[0], expected)
    maps[2] = np.nan
    np.testing.assert_allclose(Bands(maps, None).agreement[0], [[1, 1, 1, 1]])
    counts = sign_counts(np.array([[3.0, -2.0, 0.0]]))
    assert counts[:, 0].T.tolist() == [[0, 0, 1], [1, 0, 0], [0, 1, 0]]
    assert agreement(counts).tolist() == [[1, 1, 1]]


def test_blocks_have_the_noise_of_their_sums() -> None:
    maps = drawn(500, 2, 6, 4)
    bands = Bands(maps, np.ones((2, 6, 4))).in_blocks(2)
    sums = maps.reshape(500, 2, 3, 2, 2, 2).sum(axis=(3, 5))
    np.testing.assert_allclose(bands.over_trainings, sums.std(axis=0, ddof=1))
    assert bands.over_backgrounds is not None
    np.testing.assert_allclose(bands.over_backgrounds, 4)  # the sum of four errors of 1


def test_similarities_are_correlations() -> None:
    maps = drawn(4, 3, 5, 5)
    likeness = Likeness.of(maps)
    for image in range(3):
        expected = np.corrcoef(maps[:, image].reshape(4, -1))
        np.testing.assert_allclose(likeness.by_image[image], expected, atol=1e-12)
    maps[2, 1] = np.nan
    partial = Likeness.of(maps)
    assert np.isnan(partial.by_image[1, 2]).all()
    assert np.isfinite(partial.of_images).all()
    expected = likeness.by_image[1][[0, 0, 1], [1, 3, 3]].mean()
    assert partial.of_images[1] == pytest.approx(expected)


def test_the_error_of_the_similarity_is_that_of_other_trainings() -> None:
    """Truth from many samples of five trainings: the standard deviation of their means."""
    shared = drawn(1, 4, 8, 8)
    means, errors = [], []
    for seed in range(300):
        strength = np.random.default_rng((seed, 1)).uniform(0.2, 2, (5, 1, 1, 1))
        likeness = Likeness.of(shared + strength * drawn(5, 4, 8, 8, seed=seed))
        means.append(likeness.mean)
        errors.append(likeness.error)
    truth = np.std(means, ddof=1)
    assert np.sqrt(np.mean(np.square(errors))) == pytest.approx(truth, rel=0.25)


def test_two_ways_to_read_an_image_are_found() -> None:
    sample = digits_sample()
    readings, p_values = find_readings(sample.maps)
    assert readings[3].tolist() == [1, 1, 1, 1, 2, 2, 2, 2]
    assert p_values[3] < 0.01
    assert (readings[np.arange(len(readings)) != 3] == 0).mean() > 0.95


def test_maps_of_one_distribution_are_rarely_cut() -> None:
    """Also where they differ along few directions, in which any cut looks good."""
    found = []
    for seed in range(100):
        draw = np.random.default_rng(seed)
        along = draw.normal(size=(10, 2)) @ draw.normal(size=(2, 49))
        found.append(cut(along + 0.1 * draw.normal(size=(10, 49)), draw)[1] <= 0.05)
    assert np.mean(found) <= 0.1


def test_a_single_odd_training_is_no_group() -> None:
    maps = 0.1 * drawn(8, 1, 6, 6) + drawn(1, 1, 6, 6, seed=5)
    maps[4] *= -1
    readings, p_values = find_readings(maps)
    assert (readings == 0).all()
    assert p_values.tolist() == [1]


def test_each_class_begins_with_its_least_stable_image() -> None:
    results = Results(digits_sample())
    table = results.table
    stable = results.likeness.of_images
    for name, rows in table.groupby("class")["row"]:
        assert stable[rows].tolist() == sorted(stable[rows]), name
    assert stable[3] == stable.min()
    assert table.loc[table["row"] == 3, "in_second_reading"].tolist() == [4]
