"""Layer-wise relevance propagation, against a literal second implementation of its rules."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from stages.base.errors.user import UserError
from stages.explainers import lrp
from stages.networks.build import Standardize, Statistics
from tests.measures.subjects import small_images

CLASSES = torch.tensor([[0, 3], [2, 1]])


def chain() -> nn.Sequential:
    """Standardising, two convolutions with pooling, a linear layer: 12×14 pixels, float64."""
    torch.manual_seed(0)
    body = nn.Sequential(
        nn.Conv2d(2, 3, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(3, 4, 2), nn.ReLU(), nn.Flatten()
    )
    first = Standardize(Statistics((0.001, 0.002), (0.001, 0.003)))
    network = nn.Sequential(first, body, nn.Dropout(0.5), nn.Linear(80, 4))
    return network.double().eval().requires_grad_(False)


def back(layer: nn.Module, given: Tensor, relevance: Tensor, gamma: float) -> Tensor:
    """R_i = Σ_j x_i w_ij / z_j · R_j, with w + gamma · max(w, 0), by the weights' own transpose."""
    weights = layer.weight + gamma * layer.weight.clamp(min=0)
    if isinstance(layer, nn.Conv2d):
        z = functional.conv2d(given, weights, layer.bias)
        return given * functional.conv_transpose2d(relevance / z, weights)
    z = given @ weights.T + layer.bias
    return given * ((relevance / z) @ weights)


def literal(network: nn.Sequential, image: Tensor, number: int) -> Tensor:
    """Relevance (c, h, w), layer by layer from the top."""
    standardize, body, _, linear = network
    conv1, _, _, conv2, _, _ = body
    x0 = standardize(image[None])
    x1 = functional.conv2d(x0, conv1.weight, conv1.bias).clamp(min=0)
    x2, winners = functional.max_pool2d(x1, 2, return_indices=True)
    x3 = functional.conv2d(x2, conv2.weight, conv2.bias).clamp(min=0)
    outputs = linear(x3.flatten(1))
    relevance = torch.zeros_like(outputs)
    relevance[0, number] = outputs[0, number]
    relevance = back(linear, x3.flatten(1), relevance, 0).view_as(x3)
    relevance = back(conv2, x2, relevance, lrp.GAMMA)
    relevance = functional.max_unpool2d(relevance, winners, 2, output_size=x1.shape[-2:])
    return back(conv1, x0, relevance, 0)[0]


def test_relevance_equals_the_rules_written_out() -> None:
    network, images = chain(), small_images(2)
    found = lrp.build(network, small_images(3), 0)(images, CLASSES).values
    for image, numbers, values in zip(images, CLASSES.tolist(), found, strict=True):
        for index, number in enumerate(numbers):
            expected = literal(network, image, number).numpy()
            assert np.abs(expected).max() > 1e-3
            np.testing.assert_allclose(values[..., index], expected, rtol=1e-5, atol=1e-7)


def test_without_biases_and_gamma_relevance_sums_to_the_output(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lrp, "GAMMA", 0.0)
    network, images = chain(), small_images(2)
    for module in network.modules():
        if isinstance(getattr(module, "bias", None), Tensor):
            module.bias.zero_()
    found = lrp.build(network, small_images(3), 0)(images, CLASSES).values
    outputs = network(images).gather(1, CLASSES)
    np.testing.assert_allclose(found.sum(axis=(1, 2, 3)), outputs, rtol=1e-5)


def test_the_network_stays_as_it_was() -> None:
    network, images = chain(), small_images(2)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    method = lrp.build(network, small_images(3), 0)
    first, second = (method(images, CLASSES).values for _ in range(2))
    np.testing.assert_array_equal(first, second)
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name])
    for module in network.modules():
        assert not hasattr(module, "rule")
        assert not module._forward_hooks


class Added(nn.Module):
    """Adds something between its layers that is no module."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(336, 8), nn.Linear(8, 4)

    def forward(self, images: Tensor) -> Tensor:
        return self.second(self.first(images.flatten(1)).relu())


class Twice(Added):
    """Changes its last layer's output."""

    def forward(self, images: Tensor) -> Tensor:
        return 2 * self.second(self.first(images.flatten(1)))


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (Added(), r"^second \(Linear\): is not given exactly what the layer before it returns, so"),
        (Twice(), r"^Twice: does not return exactly what its last layer does, so relevance would"),
        (
            nn.Sequential(nn.Flatten(), nn.Linear(336, 4), nn.Softmax(dim=1)),
            r"^2 \(Softmax\): captum has no rule for this layer, so .*; choose another method$",
        ),
    ],
)
def test_networks_whose_relevance_would_be_wrong_are_refused(
    network: nn.Module, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        lrp.build(network.double().eval().requires_grad_(False), small_images(3), 0)
