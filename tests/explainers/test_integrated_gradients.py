"""Integrated gradients, compared with captum's."""

import numpy as np
import torch
from captum.attr import IntegratedGradients

from stages.explainers.integrated_gradients import BATCH_SIZE, STEPS, build
from tests.measures.subjects import small_images, small_network


def test_values_equal_the_mean_of_captums_over_the_background() -> None:
    network, images, background = small_network(2, 4), small_images(3), small_images(5)
    classes = torch.tensor([[0, 3], [2, 1], [1, 1]])
    found = build(network, background, seed=0)(images, classes)
    captum = IntegratedGradients(network)
    for image, wanted, values in zip(images, classes, found.values, strict=True):
        for map_index, number in enumerate(wanted.tolist()):
            theirs = captum.attribute(
                image.expand_as(background),
                baselines=background,
                target=number,
                n_steps=STEPS,
                method="riemann_middle",
            )
            np.testing.assert_allclose(values[..., map_index], theirs.mean(dim=0), atol=1e-12)
    assert found.groups is None


def test_a_background_of_several_batches_gives_the_same_mean() -> None:
    network, images = small_network(2, 3), small_images(1)
    background, classes = small_images(BATCH_SIZE + 2), torch.tensor([[2]])
    whole = build(network, background, seed=0)(images, classes).values
    alone = [
        build(network, reference[None], seed=0)(images, classes).values for reference in background
    ]
    np.testing.assert_allclose(whole, np.mean(alone, axis=0), atol=1e-12)


def test_attributions_of_a_linear_network_are_exact() -> None:
    torch.manual_seed(0)
    linear = torch.nn.Linear(2 * 12 * 14, 3).double().requires_grad_(False)
    network = torch.nn.Sequential(torch.nn.Flatten(), linear)
    images, background = small_images(2), small_images(4)
    values = build(network, background, seed=0)(images, torch.tensor([[1], [2]])).values[..., 0]
    weights = linear.weight[[1, 2]].view(2, 2, 12, 14)
    np.testing.assert_allclose(values, (images - background.mean(dim=0)) * weights, atol=1e-12)
