"""Attributions summed over blocks, and spread over their pixels."""

import numpy as np
import pytest

from stages.drawing.grain import block_sums, spread


@pytest.mark.parametrize("grain", [1, 2, 4, 8])
def test_a_block_is_the_sum_of_its_pixels_and_the_total_is_unchanged(grain: int) -> None:
    maps = np.random.default_rng(0).normal(size=(3, 10, 13))
    sums = block_sums(maps, grain)
    for top in range(0, 10, grain):
        for left in range(0, 13, grain):
            block = maps[:, top : top + grain, left : left + grain]
            np.testing.assert_allclose(sums[:, top // grain, left // grain], block.sum((1, 2)))
    np.testing.assert_allclose(sums.sum((1, 2)), maps.sum((1, 2)))


@pytest.mark.parametrize("grain", [1, 2, 4])
def test_every_pixel_has_the_sum_of_its_block(grain: int) -> None:
    sums = block_sums(np.random.default_rng(0).normal(size=(2, 10, 13)), grain)
    shown = spread(sums, grain, (10, 13))
    assert shown.shape == (2, 10, 13)
    for y in range(10):
        for x in range(13):
            np.testing.assert_array_equal(shown[:, y, x], sums[:, y // grain, x // grain])
