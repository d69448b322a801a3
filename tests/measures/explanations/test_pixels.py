"""Measures that need only the map, and baselines that need only the image."""

import numpy as np
import pytest
from scipy import ndimage

from stages.measures.explanations.background_error import background_error
from stages.measures.explanations.base.baselines import BASELINES, edges, noise
from stages.measures.explanations.base.maps import maps_of_baseline
from stages.measures.explanations.concentration import concentration
from stages.params import quality


def test_the_gini_index_is_half_the_relative_mean_difference() -> None:
    """Σ|x - y| over all pairs, over 2 n² times the mean."""
    maps = np.random.default_rng(0).standard_normal((3, 7, 5)) ** 3
    for map_, found in zip(np.abs(maps), concentration(maps), strict=True):
        pixels = map_.ravel()
        differences = np.abs(pixels[:, None] - pixels)
        assert found == pytest.approx(differences.sum() / (2 * 35**2 * pixels.mean()))


def test_concentration_at_its_ends() -> None:
    maps = np.stack([np.full((4, 5), -2.0), np.eye(4, 5) * [1, 0, 0, 0, 0]])
    assert concentration(maps) == pytest.approx([0, 1 - 1 / 20])
    unknown = np.stack([np.zeros((4, 5)), np.full((4, 5), np.nan)])
    assert np.isnan(concentration(unknown)).all()


def test_the_background_error_is_a_ratio_of_root_mean_squares() -> None:
    errors = np.array([[[3.0, 0], [0, 4]], [[1, 1], [1, 1]]])
    maps = np.array([[[0, -12.0], [5, 0]], [[0, 0], [0, 0]]])
    assert background_error(errors, maps)[0] == pytest.approx(5 / 13)
    assert np.isnan(background_error(errors, maps)[1])


@pytest.mark.parametrize("channels", [1, 3])
def test_edges_are_those_of_scipy(channels: int) -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, channels, 9, 12)).astype(np.uint8)
    for image, found in zip(images.astype(float), edges(images), strict=True):
        responses = [
            ndimage.sobel(channel, axis, mode="nearest") for channel in image for axis in (0, 1)
        ]
        np.testing.assert_allclose(found, np.sqrt(np.square(responses).sum(axis=0)))


def test_a_constant_image_has_no_edges_and_no_scale() -> None:
    images = np.full((1, 3, 8, 9), 200, np.uint8)
    assert (edges(images) == 0).all()
    assert (maps_of_baseline(edges(images), np.array([4.0])).game == 0).all()


def test_params_name_all_baselines() -> None:
    assert tuple(BASELINES) == quality.BASELINES


def test_noise_is_the_same_each_time_with_mean_0() -> None:
    images = np.zeros((30, 1, 20, 20), np.uint8)
    np.testing.assert_array_equal(noise(images), noise(images))
    assert abs(noise(images).mean()) < 4 / np.sqrt(noise(images).size)


def test_maps_without_a_unit_are_scaled_to_what_the_game_changes() -> None:
    maps = np.abs(np.random.default_rng(0).normal(size=(5, 8, 8)))
    changes = np.array([2.0, -3.0])
    game = maps_of_baseline(maps, changes).game
    np.testing.assert_allclose(game.sum(axis=(1, 2)), changes)
