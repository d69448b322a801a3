from dataclasses import replace

import numpy as np
import pytest

from stages.figures.run import Run
from stages.summary.grain import block_sums, spread
from stages.summary.totals import summarise


@pytest.mark.parametrize("grain", [1, 2, 4, 8])
def test_a_block_holds_the_sum_of_its_pixels_and_nothing_is_lost(grain: int) -> None:
    maps = np.random.default_rng(0).normal(size=(3, 10, 13))
    sums = block_sums(maps, grain)
    for top in range(0, 10, grain):
        for left in range(0, 13, grain):
            block = maps[:, top : top + grain, left : left + grain]
            np.testing.assert_allclose(sums[:, top // grain, left // grain], block.sum((1, 2)))
    np.testing.assert_allclose(sums.sum((1, 2)), maps.sum((1, 2)))


@pytest.mark.parametrize("grain", [1, 2, 4])
def test_every_pixel_shows_the_sum_of_its_block(grain: int) -> None:
    sums = block_sums(np.random.default_rng(0).normal(size=(2, 10, 13)), grain)
    shown = spread(sums, grain, (10, 13))
    assert shown.shape == (2, 10, 13)
    for y in range(10):
        for x in range(13):
            np.testing.assert_array_equal(shown[:, y, x], sums[:, y // grain, x // grain])


def test_each_grain_has_a_limit_and_the_first_one_the_means(digits: Run) -> None:
    explanation = digits.explanation
    maps = explanation.values.sum(axis=1, dtype=np.float64).transpose(0, 3, 1, 2)
    summary = summarise(explanation, (4, 1))
    for grain in (4, 1):
        exact = np.percentile(np.abs(block_sums(maps, grain)), 99.9)
        assert summary.limits[grain] == pytest.approx(exact)
    of_four = block_sums(maps[explanation.labels == 4][:, 4], 4)
    np.testing.assert_allclose(summary.means[4], of_four.mean(axis=0))
    np.testing.assert_allclose(summary.mean_strengths[4], np.abs(of_four).mean(axis=0))


def test_the_pictures_are_painted_in_the_run_s_grain(digits: Run) -> None:
    run = replace(digits, grain=4)
    places = np.array([3])
    (shown,) = run.maps(5, places)
    np.testing.assert_allclose(shown, block_sums(digits.explanation.maps(5, places), 4)[0])
    assert run.scale.limit == summarise(run.explanation, (4,)).limits[4]
    assert run.scale.limit > digits.scale.limit
