"""Contrast shift in closed form: in a linear network, pixels change the margin independently."""

import numpy as np
import torch

from stages.measures.explanations.contrast_shift import _kept, contrast_shift
from tests.measures.subjects import Outputs, small_images, subject


def test_a_linear_network_loses_the_attributions_of_the_replaced_pixels() -> None:
    images, background = small_images(6), small_images(3)
    weights = torch.from_numpy(np.random.default_rng(0).normal(size=(2 * 12 * 14, 4)))
    measured = subject(Outputs(lambda pixels: pixels.flatten(1) @ weights), images, background)
    by_class = weights.numpy().reshape(2, 12, 14, 4)
    changes = images.numpy() - background.numpy().mean(axis=0)
    attributions = np.einsum("nchw,chwk->nhwk", changes, by_class)
    rows = np.arange(6)
    maps = attributions[rows, ..., measured.predicted] - attributions[rows, ..., measured.runner_up]
    highest = np.sort(maps.reshape(6, -1), axis=1)[:, -36:].sum(axis=1)  # 6/28 of 168 pixels
    logits = np.sort((images.flatten(1) @ weights).numpy(), axis=1)
    margin = (logits[:, -1] - logits[:, -2]).mean()
    np.testing.assert_allclose(contrast_shift(measured, maps), highest / margin)


def test_an_image_without_both_maps_is_left_out_of_the_mean_margin() -> None:
    images, background = small_images(4), small_images(3)
    network = Outputs(lambda pixels: pixels.flatten(1)[:, :3] ** 2)
    maps = np.random.default_rng(0).normal(size=(4, 12, 14))
    maps[1] = np.nan
    shifts = contrast_shift(subject(network, images, background), maps)
    others = [0, 2, 3]
    alone = contrast_shift(subject(network, images[others], background), maps[others])
    assert np.isnan(shifts[1])
    np.testing.assert_allclose(shifts[others], alone)


def test_a_network_without_a_margin_has_no_shift() -> None:
    network = Outputs(lambda pixels: pixels.new_zeros((len(pixels), 2)))
    measured = subject(network, small_images(2), small_images(3))
    assert np.isnan(contrast_shift(measured, np.ones((2, 12, 14)))).all()


def test_without_any_map_there_is_no_shift() -> None:
    network = Outputs(lambda pixels: pixels.flatten(1)[:, :2])
    measured = subject(network, small_images(2), small_images(3))
    assert np.isnan(contrast_shift(measured, np.full((2, 12, 14), np.nan))).all()


def test_of_equal_pixels_the_first_are_replaced() -> None:
    """6/28 of 28×28 pixels are replaced; half of the pixels are equally high."""
    contrast = np.zeros((28, 28))
    contrast[::2] = 1
    kept = _kept(contrast)
    rows = [row for row in range(28) if not kept[row].all()]
    assert rows == [0, 2, 4, 6, 8, 10]
    assert not kept[rows].any()
