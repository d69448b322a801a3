"""Maps of methods whose values do not add up take part in the tile game by their scale."""

import numpy as np

from stages.measures.explanations.base import methods
from stages.measures.explanations.base.maps import maps_of_method, scaled_to
from stages.measures.explanations.base.tiles import exact_game, game_of_tiles, play_tiles
from tests.measures.subjects import small_images, small_network, subject


def test_only_maps_that_do_not_add_up_are_scaled() -> None:
    """By a positive factor, whichever way the output changes: the signs mean something."""
    measured = subject(small_network(2, 4), small_images(6), small_images(5))
    game = game_of_tiles(measured)
    tile_game = exact_game(play_tiles(game))
    assert tile_game.changes.min() < 0 < tile_game.changes.max()
    for name, is_scaled in (("gradient_x_input", True), ("deep", False)):
        own = maps_of_method(name, measured, game)
        found = methods._maps_of(name, measured, game, tile_game)
        np.testing.assert_array_equal(found.predicted, own.predicted)
        np.testing.assert_array_equal(found.contrast, own.contrast)
        if is_scaled:
            sums = np.abs(found.game).sum(axis=(1, 2))
            np.testing.assert_allclose(sums, np.abs(tile_game.changes), rtol=1e-12)
            factors = found.game / own.game
            np.testing.assert_allclose(factors, factors[:, :1, :1] * np.ones((12, 14)), rtol=1e-9)
            assert factors.min() > 0
        else:
            np.testing.assert_array_equal(found.game, own.game)


def test_a_map_of_zeros_stays_one() -> None:
    maps = np.stack([np.zeros((2, 2)), np.array([[1.0, 0], [0, -3]])])
    expected = [np.zeros((2, 2)), [[2, 0], [0, -6]]]
    np.testing.assert_allclose(scaled_to(maps, np.array([5.0, 8.0])), expected)
