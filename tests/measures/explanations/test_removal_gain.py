"""Removal curves against shap's benchmark."""

import math

import numpy as np
import pytest
import shap
import torch
from numpy.typing import NDArray
from shap.benchmark import SequentialMasker

from stages.measures.explanations.base.removal import REMOVED, _kept, removal_curves
from stages.measures.explanations.removal_gain import removal_gain
from tests.measures.subjects import Outputs, small_images, small_network, subject

STEP = 1 / 28 + 1e-9  # shap rounds down the pixels of a step


def map_without_ties(n_images: int) -> NDArray[np.float64]:
    """0.1 … 1: from the highest down, shap removes positive attributions only."""
    return np.random.default_rng(1).uniform(0.1, 1, (n_images, 12, 14))


def test_curves_are_those_of_shap() -> None:
    """168 pixels are six for each of the 28 steps; shap's tabular masker takes one channel."""
    images, background = small_images(3, channels=1), small_images(5, channels=1)
    network = small_network(channels=1, n_classes=4)
    measured = subject(network, images, background)
    maps = map_without_ties(3)
    curves = removal_curves(measured, maps)
    masker = shap.maskers.Independent(background.flatten(1).numpy(), max_samples=5)
    for i, predicted in enumerate(measured.predicted):

        def probability(rows: NDArray[np.float64], number: int = predicted) -> NDArray[np.float64]:
            pixels = torch.from_numpy(rows).view(-1, 1, 12, 14)
            return network(pixels).softmax(dim=1)[:, number].numpy()

        row = images[i : i + 1].flatten(1).numpy()
        for order, (sort, shift) in enumerate([("positive", 0), ("negative", -2)]):
            theirs = SequentialMasker("remove", sort, masker, probability, row)
            attributions = maps[i : i + 1].reshape(1, -1) + shift
            result = theirs(attributions, "map", percent=STEP, silent=True)
            ours = np.interp(result.curve_x, REMOVED, curves[i, order])
            np.testing.assert_allclose(ours, result.curve_y, rtol=0, atol=1e-12)


def test_the_gain_is_the_area_between_the_curves() -> None:
    """One pixel of 28 decides: the probability falls as soon as it is removed."""
    images, background = torch.zeros((1, 1, 4, 7)), torch.zeros((1, 1, 4, 7))
    images[0, 0, 2, 3] = 1
    network = Outputs(
        lambda pixels: torch.stack([30 * pixels[:, 0, 2, 3], 0 * pixels[:, 0, 0, 0]], 1)
    )
    maps = images[:, 0].double().numpy()
    curves = removal_curves(subject(network, images, background), maps)
    assert curves[0, 0] == pytest.approx([1.0] + 28 * [0.5])
    assert curves[0, 1] == pytest.approx(28 * [1.0] + [0.5])
    assert removal_gain(curves) == pytest.approx([27 / 28 * 0.5])
    assert removal_gain(removal_curves(subject(network, images, background), -maps)) == (
        pytest.approx([-27 / 28 * 0.5])
    )


def test_a_constant_map_gains_0() -> None:
    measured = subject(small_network(2, 3), small_images(2), small_images(4))
    gains = removal_gain(removal_curves(measured, np.zeros((2, 12, 14))))
    assert gains.tolist() == [0, 0]


def test_all_pixels_are_gone_at_the_end_whatever_their_number() -> None:
    """35 pixels in 28 steps, and 9 in 28; all channels of a pixel are removed together."""
    for shape in ((3, 5, 7), (3, 3, 3)):
        draw = torch.Generator().manual_seed(0)
        images, background = (torch.rand((n, *shape), generator=draw) for n in (2, 6))
        network = Outputs(lambda pixels: pixels.flatten(1)[:, :4] * 3)
        measured = subject(network, images, background)
        curves = removal_curves(measured, np.random.default_rng(0).normal(size=(2, *shape[1:])))
        references = network(measured.references(5)).softmax(dim=1).mean(dim=0)
        intact = network(images).softmax(dim=1)
        for i, predicted in enumerate(measured.predicted):
            assert curves[i, :, 0] == pytest.approx(2 * [intact[i, predicted].item()])
            assert curves[i, :, -1] == pytest.approx(2 * [references[predicted].item()])


def test_the_pixels_removed_after_each_step_are_rounded_down() -> None:
    """35 pixels in both orders; half of them are equal, and are removed by position."""
    map_ = np.arange(35.0).clip(max=17).reshape(5, 7)
    kept = _kept(map_)
    orders = [[*range(17, 35), *range(16, -1, -1)], range(35)]  # highest first, lowest first
    for order, steps in zip(orders, kept.reshape(2, 29, 35), strict=True):
        for step, kept_at_step in enumerate(steps):
            gone = list(order)[: math.floor(35 * step / 28)]
            assert sorted(gone) == np.flatnonzero(~kept_at_step).tolist()


def test_an_image_without_a_map_has_no_curve() -> None:
    maps = np.random.default_rng(0).normal(size=(2, 12, 14))
    maps[0] = np.nan
    measured = subject(small_network(2, 3), small_images(2), small_images(4))
    gains = removal_gain(removal_curves(measured, maps))
    assert np.isnan(gains).tolist() == [True, False]
