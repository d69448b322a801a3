"""Tiles: Shapley values against shap and by hand, the coalition error against captum."""

import numpy as np
import pytest
import shap
import torch
from captum.metrics import infidelity, infidelity_perturb_func_decorator
from numpy.typing import NDArray
from torch import Tensor

from stages.measures.explanations.base.subject import Subject
from stages.measures.explanations.base.tiles import (
    COALITIONS,
    exact_game,
    game_of_tiles,
    play_tiles,
    shapley_values,
    sums_by_number,
    tile_numbers,
    tile_sums,
)
from stages.measures.explanations.coalition_error import coalition_error
from stages.measures.explanations.tiles_error import tiles_error
from tests.measures.subjects import Outputs, small_images, small_network, subject


class TileMasker:
    """A masker for shap's ExactExplainer: hidden tiles take the pixels of the background."""

    def __init__(self, image: NDArray[np.float64], background: NDArray[np.float64]) -> None:
        self.image, self.background = image, background  # (c, h, w), (b, c, h, w)
        self.shape = (len(background), 9)
        self.numbers = tile_numbers(*image.shape[1:])

    def __call__(self, keep: NDArray[np.bool_], _: object) -> tuple[NDArray[np.float64]]:
        return (np.where(keep[self.numbers], self.image, self.background),)


def test_the_values_are_those_of_shap() -> None:
    measured = subject(small_network(2, 3), small_images(2), small_images(4))
    ours = shapley_values(play_tiles(game_of_tiles(measured)))
    for image, number, values in zip(measured.images, measured.predicted, ours, strict=True):

        def output(pixels: NDArray[np.float64], number: int = number) -> NDArray[np.float64]:
            return measured.network(torch.from_numpy(pixels))[:, number].numpy()

        masker = TileMasker(image.numpy(), measured.background.numpy())
        explainer = shap.explainers.ExactExplainer(output, masker)
        theirs = explainer(np.ones((1, 9))).values
        np.testing.assert_allclose(values, theirs[0], rtol=0, atol=1e-14)


def by_hand(images: Tensor) -> Tensor:
    """Output 0 for tiles t is 5 t₀ + 2 t₁ t₂ + 3 t₄ t₅ t₈, each being its tile's first pixel."""
    first = images[:, 0, ::3, ::3].flatten(1)
    value = 5 * first[:, 0] + 2 * first[:, 1] * first[:, 2]
    value = value + 3 * first[:, 4] * first[:, 5] * first[:, 8]
    return torch.stack([value, torch.full_like(value, -99.0)], dim=1)


def test_a_network_set_by_hand_has_known_shapley_values() -> None:
    """The factors of a product share it equally."""
    measured = subject(Outputs(by_hand), torch.ones((1, 1, 9, 9)), torch.zeros((3, 1, 9, 9)))
    values = play_tiles(game_of_tiles(measured))
    np.testing.assert_allclose(shapley_values(values), [[5, 1, 1, 0, 1, 1, 0, 0, 1]], atol=1e-12)


def test_the_error_is_the_distance_as_a_share() -> None:
    measured = subject(Outputs(by_hand), torch.ones((1, 1, 9, 9)), torch.zeros((3, 1, 9, 9)))
    values = play_tiles(game_of_tiles(measured))
    exact = np.array([[5.0, 1, 1, 0, 1, 1, 0, 0, 1]])
    game = exact_game(values)
    assert tiles_error(exact, game) == pytest.approx([0.0], abs=1e-12)
    assert tiles_error(0 * exact, game) == pytest.approx([1.0])
    assert tiles_error(exact + np.eye(9)[[3]], game) == pytest.approx([1 / np.sqrt(30)])


def root_infidelity(measured: Subject, sums: NDArray[np.float64]) -> float:
    """Captum's infidelity over all inner coalitions, hidden in turn, against zeros."""
    numbers = torch.from_numpy(tile_numbers(12, 14))
    inner = torch.from_numpy(COALITIONS[1:-1])
    maps = torch.zeros_like(measured.images)
    for tile, total in enumerate(sums):  # the first pixel of a tile gets all its attribution
        row, column = (numbers == tile).nonzero()[0].tolist()
        maps[0, 0, row, column] = total

    @infidelity_perturb_func_decorator(True)
    def hide(images: Tensor, baselines: Tensor) -> Tensor:
        return torch.where(inner[:, numbers][:, None], baselines, images)

    squared = infidelity(
        measured.network,
        hide,
        measured.images,
        maps,
        baselines=torch.zeros_like(measured.images),
        target=int(measured.predicted[0]),
        n_perturb_samples=len(inner),
    )
    return float(squared.sqrt())


def test_the_coalition_error_is_captums_infidelity() -> None:
    """Captum asks how much the hidden tiles took away; the same, if attributions add up."""
    empty = torch.zeros((1, 2, 12, 14), dtype=torch.float64)
    measured = subject(small_network(2, 3), small_images(1), empty)
    values = play_tiles(game_of_tiles(measured))
    change = values[0, -1] - values[0, 0]
    sums = np.random.default_rng(0).normal(size=9)
    sums += (change - sums.sum()) / 9
    expected = root_infidelity(measured, sums) / root_infidelity(measured, np.full(9, change / 9))
    assert coalition_error(sums[None], values) == pytest.approx([expected])


def test_equal_attributions_are_the_unit_of_the_coalition_error() -> None:
    measured = subject(small_network(2, 3), small_images(3), small_images(4))
    values = play_tiles(game_of_tiles(measured))
    equal = np.repeat((values[:, -1:] - values[:, :1]) / 9, 9, axis=1)
    assert coalition_error(equal, values) == pytest.approx(np.ones(3))


@pytest.mark.parametrize(("height", "width"), [(3, 3), (8, 8), (9, 28), (224, 100), (4, 2)])
def test_tiles_share_the_pixels_out(height: int, width: int) -> None:
    numbers = tile_numbers(height, width)
    for side, tiles in ((height, numbers[:, 0] // 3), (width, numbers[0] % 3)):
        sizes = np.bincount(tiles, minlength=3)
        assert np.sort(sizes).tolist() == sorted(map(len, np.array_split(np.arange(side), 3)))
        assert (np.diff(tiles) >= 0).all()
    maps = np.random.default_rng(0).normal(size=(2, height, width))
    by_tile = [[image[numbers == tile].sum() for tile in range(9)] for image in maps]
    np.testing.assert_allclose(tile_sums(maps), by_tile, atol=1e-12)


def test_an_image_that_changes_nothing_has_no_error() -> None:
    """Its values differ by rounding at most; a share of that would be meaningless."""
    values = 3 + 1e-8 * np.random.default_rng(0).normal(size=(1, 512))
    assert np.isnan(tiles_error(np.zeros((1, 9)), exact_game(values))).all()
    assert np.isnan(coalition_error(np.zeros((1, 9)), values)).all()


def test_few_images_and_a_small_background_are_all_played() -> None:
    game = game_of_tiles(subject(small_network(2, 3), small_images(2), small_images(3)))
    assert (len(game.images), len(game.background)) == (2, 3)
    many = game_of_tiles(subject(small_network(2, 3), small_images(50), small_images(60)))
    assert (len(many.images), len(many.background)) == (20, 10)
    assert len(torch.unique(many.background, dim=0)) == 10


@pytest.mark.parametrize(("weight", "known"), [(1e-2, True), (1e-5, False)])
def test_only_changes_within_float32_rounding_count_as_none(weight: float, known: bool) -> None:
    """Each tile adds the same weight, its Shapley value, to an output of 100."""
    values = 100 + weight * COALITIONS.sum(axis=1)[None].astype(float)
    (error,) = tiles_error(np.zeros((1, 9)), exact_game(values))
    assert error == pytest.approx(1 if known else np.nan, nan_ok=True)


def test_sums_by_number() -> None:
    numbers = np.array([[0, 1], [1, 3]])
    maps = np.array([[[1.0, 2], [3, 4]]])
    np.testing.assert_array_equal(sums_by_number(maps, numbers, 4), [[1, 5, 0, 4]])
