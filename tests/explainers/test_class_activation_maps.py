"""Grad-CAM and Grad-CAM++, against literal computations from the papers' formulas."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from stages.explainers import grad_cam, grad_cam_pp
from stages.explainers.base.feature_maps import enlarge, features_and_gradients
from tests.measures.subjects import small_images

CLASSES = torch.tensor([[0, 3], [2, 1], [1, 1]])


def network_of(seed: int) -> nn.Sequential:
    """A convolution, ReLU, pooling and a linear layer for 12×14 pixels, float64."""
    torch.manual_seed(seed)
    layers = nn.Conv2d(2, 3, 3), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(90, 4)
    return nn.Sequential(*layers).double().eval().requires_grad_(False)


def features_of(network: nn.Sequential, image: Tensor) -> Tensor:
    """Output of the ReLU (3, 10, 12)."""
    return network[:2](image[None])[0]


def score(network: nn.Sequential, features: Tensor, number: int) -> Tensor:
    return network[2:](features[None])[0, number]


def test_grad_cam_is_the_rectified_sum_of_features_by_mean_gradient() -> None:
    network, images = network_of(0), small_images(3)
    found = grad_cam.build(network, small_images(2), 0)(images, CLASSES).values
    for image, numbers, values in zip(images, CLASSES.tolist(), found, strict=True):
        for index, number in enumerate(numbers):
            features = features_of(network, image).requires_grad_()
            (gradients,) = torch.autograd.grad(score(network, features, number), features)
            coarse = torch.zeros(10, 12, dtype=torch.float64)
            for feature, gradient in zip(features.detach(), gradients, strict=True):
                coarse += gradient.sum() / gradient.numel() * feature
            coarse = coarse.clamp(min=0)
            expected = enlarge(coarse[None, None], torch.Size((1, *image.shape)))[0]
            np.testing.assert_allclose(values[..., index], expected, atol=1e-12)
    assert (found > 0).any()


@pytest.mark.parametrize("seed", range(3))
def test_grad_cam_pp_equals_the_papers_derivatives(seed: int) -> None:
    """By second and third derivatives of Y = exp(score), place by place, equations 13 to 19."""
    network, image = network_of(seed), small_images(1)[0]
    number = seed
    features = features_of(network, image).requires_grad_()
    y = score(network, features, number).exp()
    (first,) = torch.autograd.grad(y, features, create_graph=True)
    expected = torch.zeros(10, 12, dtype=torch.float64)
    for k in range(3):
        weight = 0.0
        total = float(features[k].detach().sum())
        for i in range(10):
            for j in range(12):
                (d2,) = torch.autograd.grad(first[k, i, j], features, create_graph=True)
                (d3,) = torch.autograd.grad(d2[k, i, j], features, retain_graph=True)
                places = (each.detach()[k, i, j] for each in (first, d2, d3))
                one, two, three = map(float, places)
                divisor = 2 * two + total * three
                weight += (two / divisor if divisor else 0.0) * max(one, 0.0)
        expected += weight * features[k].detach()
    expected = expected.clamp(min=0) / float(y.detach())  # the factor that is left out
    given = image[None].repeat(2, 1, 1, 1)
    found = grad_cam_pp.coarse_maps(
        *features_and_gradients(network, network[1], given, torch.tensor([number, number]))
    )
    assert expected.max() > 0
    np.testing.assert_allclose(found[1, 0], expected, rtol=1e-9, atol=1e-15)


def test_grad_cam_pp_enlarges_its_maps_class_by_class() -> None:
    network, images = network_of(0), small_images(3)
    found = grad_cam_pp.build(network, small_images(2), 0)(images, CLASSES).values
    for image, numbers, values in zip(images, CLASSES.tolist(), found, strict=True):
        for index, number in enumerate(numbers):
            pair = features_and_gradients(
                network, network[1], image[None].clone(), torch.tensor([number])
            )
            expected = enlarge(grad_cam_pp.coarse_maps(*pair), torch.Size((1, *image.shape)))[0]
            np.testing.assert_allclose(values[..., index], expected, atol=1e-12)


def test_places_without_gradient_get_no_weight() -> None:
    features, gradients = torch.ones(1, 2, 2, 2), torch.zeros(1, 2, 2, 2)
    assert grad_cam_pp.coarse_maps(features, gradients).abs().max() == 0
