"""The sampled tile game: unbiased, with a variance that is true, and exact where it can be."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from stages.measures.explanations.base.plan import N_PAIRS, Plan
from stages.measures.explanations.base.sampled_tiles import sample_tiles
from stages.measures.explanations.base.subject import Subject
from stages.measures.explanations.base.tiles import (
    TileGame,
    game_of_tiles,
    play_tiles,
    shapley_values,
)
from stages.measures.explanations.tiles_error import tiles_error
from tests.measures.subjects import Outputs, small_images, small_network, subject

REPEATED = 400  # copies of an image, each with its own draws


def sampling(measured: Subject) -> Subject:
    plan = Plan(n_images=len(measured.images), sampled=True, passes=0)
    return replace(measured, plan=plan)


@pytest.fixture(scope="module")
def repeated() -> tuple[NDArray[np.float64], TileGame]:
    """The exact values of an image (9,), and 400 independent estimates."""
    image, background = small_images(1), small_images(4)
    network = small_network(2, 3)
    (exact,) = shapley_values(play_tiles(subject(network, image, background)))
    many = sampling(subject(network, image.expand(REPEATED, -1, -1, -1), background))
    return exact, sample_tiles(many)


def test_estimates_have_no_bias(repeated: tuple[NDArray[np.float64], TileGame]) -> None:
    exact, game = repeated
    error = game.shapley.mean(axis=0) - exact
    expected = game.shapley.std(axis=0, ddof=1) / np.sqrt(REPEATED)
    assert (np.abs(error) < 4 * expected).all()
    assert (expected < 0.1 * np.abs(exact).max()).all(), "otherwise this could not fail"


def test_their_variance_is_the_stated_one(repeated: tuple[NDArray[np.float64], TileGame]) -> None:
    _, game = repeated
    ratio = game.variances.mean(axis=0) / game.shapley.var(axis=0, ddof=1)
    assert ratio == pytest.approx(np.ones(9), abs=0.35)  # 5 standard errors of 400 variances


def test_noise_is_subtracted_from_the_error(
    repeated: tuple[NDArray[np.float64], TileGame],
) -> None:
    """Of maps that are exact, or wrong by a known amount."""
    exact, game = repeated
    noise = game.variances.sum(axis=1).mean()
    for wrong in (np.zeros(9), np.abs(exact).max() * np.eye(9)[2]):
        squared = ((exact + wrong - game.shapley) ** 2).sum(axis=1) - game.variances.sum(axis=1)
        assert squared.mean() == pytest.approx((wrong**2).sum(), abs=0.3 * noise)
    errors = tiles_error(np.tile(2 * exact, (REPEATED, 1)), game)
    assert errors.mean() == pytest.approx(1, abs=0.1)


def additive(images: Tensor) -> Tensor:
    """Output 0 is t + 1 for each tile number t that is shown."""
    first = images[:, 0, ::3, ::3].flatten(1).double()
    return torch.stack([first @ torch.arange(1.0, 10).double(), 0 * first[:, 0] - 99], dim=1)


def test_a_sum_of_tiles_has_no_noise() -> None:
    measured = subject(Outputs(additive), torch.ones((3, 1, 9, 9)), torch.zeros((2, 1, 9, 9)))
    game = sample_tiles(sampling(measured))
    np.testing.assert_allclose(game.shapley, np.tile(np.arange(1.0, 10), (3, 1)), atol=1e-12)
    np.testing.assert_allclose(game.variances, 0, atol=1e-20)
    assert game.changes == pytest.approx([45] * 3)
    assert game.largest.tolist() == [45] * 3


def test_reversed_orders_settle_all_pairs() -> None:
    """A product of two tiles is credited to both halves in any order and its reverse."""

    def product(images: Tensor) -> Tensor:
        first = images[:, 0, ::3, ::3].flatten(1).double()
        return torch.stack([first[:, 1] * first[:, 5], 0 * first[:, 0] - 99], dim=1)

    measured = subject(Outputs(product), torch.ones((1, 1, 9, 9)), torch.zeros((2, 1, 9, 9)))
    game = sample_tiles(sampling(measured))
    np.testing.assert_allclose(game.shapley, [[0, 0.5, 0, 0, 0, 0.5, 0, 0, 0]][0:1], atol=1e-12)


def test_all_background_images_are_drawn_from() -> None:
    measured = sampling(subject(small_network(2, 3), small_images(50), small_images(60)))
    game = game_of_tiles(measured)
    assert (len(game.images), len(game.background)) == (20, 60)
    drawn = {int(measured.references_of(i)[0, 0, 0, 0] * 1e9) for i in range(50)}
    assert len(drawn) > 25
    assert N_PAIRS >= 10
