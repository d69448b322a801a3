"""Occlusion, gradient × input and SmoothGrad, against literal computations and closed forms."""

import itertools

import numpy as np
import pytest
import torch
from torch import nn

from stages.explainers import gradient_x_input, occlusion, smoothgrad
from tests.measures.subjects import Outputs, small_images, small_network

CLASSES = torch.tensor([[0, 3], [2, 1], [1, 1]])


@pytest.mark.parametrize(
    ("size", "window", "step"),
    [
        ((28, 28), (4, 4), 2),
        ((24, 30), (3, 3), 1),
        ((224, 224), (32, 32), 16),
        ((3, 8), (1, 1), 1),
        ((32, 32), (6, 6), 2),
        ((32, 47), (6, 5), 2),
    ],
)
def test_the_window_is_about_a_seventh_of_the_shorter_side(
    size: tuple[int, int], window: tuple[int, int], step: int
) -> None:
    assert occlusion.window_and_step(*size) == (window, step)


def test_windows_end_at_the_edges() -> None:
    """A window that the edge cut off would hide less, and its pixels would have lower values."""
    network = Outputs(lambda x: torch.stack([x.sum(dim=(1, 2, 3))] * 4, dim=1))
    for height in range(28, 42):
        images = torch.ones(1, 2, height, 44, dtype=torch.float64)
        found = occlusion.build(network, torch.zeros_like(images), 0)(images, CLASSES[:1]).values
        np.testing.assert_allclose(found, 1, rtol=1e-12)


def test_occlusion_is_the_mean_fall_over_the_windows_of_a_pixel() -> None:
    """12×14 pixels: windows of 2×2, a step of 1, so a pixel is in up to four."""
    network, images, background = small_network(2, 4), small_images(3), small_images(5)
    found = occlusion.build(network, background, 0)(images, CLASSES).values
    hidden = background.mean(dim=0)
    for image, numbers, values in zip(images, CLASSES.tolist(), found, strict=True):
        for index, number in enumerate(numbers):
            falls, counts = np.zeros((2, 12, 14))
            for row, column in itertools.product(range(11), range(13)):
                window = slice(row, row + 2), slice(column, column + 2)
                changed = image.clone()
                changed[:, *window] = hidden[:, *window]
                fall = network(image[None])[0, number] - network(changed[None])[0, number]
                falls[window] += float(fall)
                counts[window] += 1
            for channel in values[..., index]:
                np.testing.assert_allclose(channel, falls / counts / 8, atol=1e-12)


def test_gradient_x_input_of_a_linear_network_is_weight_times_pixel() -> None:
    torch.manual_seed(0)
    linear = nn.Linear(2 * 12 * 14, 4).double().requires_grad_(False)
    network, images = nn.Sequential(nn.Flatten(), linear), small_images(3)
    found = gradient_x_input.build(network, small_images(1), 0)(images, CLASSES).values
    weights = linear.weight.view(4, 2, 12, 14)[CLASSES]  # (n, m, c, h, w)
    np.testing.assert_allclose(found, (weights * images[:, None]).movedim(1, -1), atol=1e-12)


def quadratic() -> nn.Module:
    """Output 0 is the sum of x², output 1 of 3x: gradients 2x and 3."""
    return Outputs(
        lambda x: torch.stack([(x**2).sum(dim=(1, 2, 3)), 3 * x.sum(dim=(1, 2, 3))], dim=1)
    )


def test_smoothgrad_averages_gradients_over_noise_of_the_stated_strength() -> None:
    images = small_images(2)
    method = smoothgrad.build(quadratic(), small_images(1), 0)
    found = method(images, torch.tensor([[0, 1], [1, 0]])).values
    np.testing.assert_allclose(found[0, ..., 1], 3, rtol=1e-12)
    np.testing.assert_allclose(found[1, ..., 0], 3, rtol=1e-12)
    for image, values in zip(images, (found[0, ..., 0], found[1, ..., 1]), strict=True):
        moved = values / 2 - image.numpy()  # the mean of the noise in each of 336 pixels
        expected = smoothgrad.NOISE * float(image.max() - image.min()) / smoothgrad.SAMPLES**0.5
        assert abs(moved.mean()) < 4 * expected / moved.size**0.5
        assert moved.std() == pytest.approx(expected, rel=0.2)


def test_smoothgrad_repeats_itself_whichever_images_come_together() -> None:
    images, method = small_images(3), smoothgrad.build(small_network(2, 4), small_images(1), 5)
    torch.manual_seed(1)
    whole = method(images, CLASSES).values
    state = torch.random.get_rng_state()
    alone = method(images[1:2], CLASSES[1:2]).values
    np.testing.assert_allclose(alone[0], whole[1], rtol=1e-12)
    assert torch.equal(torch.random.get_rng_state(), state)
    other = smoothgrad.build(small_network(2, 4), small_images(1), 6)(images, CLASSES).values
    assert np.abs(other - whole).max() > 1e-6


def test_an_image_of_one_grey_level_is_explained_without_noise() -> None:
    images = torch.full((1, 2, 12, 14), 0.5, dtype=torch.float64)
    found = smoothgrad.build(quadratic(), images, 0)(images, torch.tensor([[0]])).values
    np.testing.assert_allclose(found, 1, rtol=1e-12)
