"""The vision transformer: any image size, the formulas of the papers, additive attributions."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from stages.architectures.vit import build
from stages.explainers import deep

SIZES = [(8, 8), (9, 9), (28, 28), (20, 33)]


def network_for(channels: int, size: tuple[int, int], n_classes: int = 5) -> nn.Module:
    """A network with random offsets and scales, as after training, instead of 0 and 1."""
    torch.manual_seed(0)
    network = build(channels, size, n_classes, depth=2)
    for parameter in network.parameters():
        if parameter.ndim == 1:
            nn.init.normal_(parameter, 0.5, 0.5)
    return network.eval()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", SIZES)
def test_every_pixel_affects_the_output_at_every_size(size: tuple[int, int], channels: int) -> None:
    network = network_for(channels, size)
    images = torch.randn(2, channels, *size, requires_grad=True)
    logits = network(images)
    assert logits.shape == (2, 5)
    (gradient,) = torch.autograd.grad(logits.square().sum(), images)
    assert gradient.ne(0).all()


def literal_convolution(image: Tensor, weight: Tensor, offset: Tensor) -> Tensor:
    """A 3×3 convolution with stride 2 of one image (c, h, w), padded with 0, pixel by pixel."""
    _, height, width = image.shape
    result = offset[:, None, None].repeat(1, (height + 1) // 2, (width + 1) // 2)
    for y, x in itertools.product(range(0, height, 2), range(0, width, 2)):
        for down, right in itertools.product((-1, 0, 1), repeat=2):
            if 0 <= y + down < height and 0 <= x + right < width:
                tap = weight[:, :, down + 1, right + 1]
                result[:, y // 2, x // 2] += tap @ image[:, y + down, x + right]
    return result


def gelu(value: Tensor) -> Tensor:
    return value * (1 + torch.erf(value / math.sqrt(2))) / 2


def normalised(token: Tensor, scale: Tensor, offset: Tensor) -> Tensor:
    centred = token - token.mean()
    return centred / (centred.square().mean() + 1e-5).sqrt() * scale + offset


def literal_logits(network: nn.Module, image: Tensor, heads: int) -> Tensor:
    """One image through the formulas of the papers, token by token and head by head."""
    remaining = iter(network.state_dict().values())
    positions, weight, offset = (next(remaining) for _ in range(3))
    features = gelu(literal_convolution(image, weight, offset))
    features = literal_convolution(features, next(remaining), next(remaining))
    tokens = [*(features.flatten(1).T + positions)]
    for _ in range(2):
        scale, shift, w_in, b_in, w_out, b_out = (next(remaining) for _ in range(6))
        projected = [w_in @ normalised(token, scale, shift) + b_in for token in tokens]
        queries, keys, values = zip(*(token.chunk(3) for token in projected), strict=True)
        attended = []
        for query in queries:
            means = []
            for head in range(heads):
                q, k, v = (
                    [t.chunk(heads)[head] for t in vectors] for vectors in ([query], keys, values)
                )
                logits = torch.stack([q[0] @ key / math.sqrt(len(key)) for key in k])
                shares = logits.exp() / logits.exp().sum()
                means.append(sum(share * value for share, value in zip(shares, v, strict=True)))
            attended.append(w_out @ torch.cat(means) + b_out)
        tokens = [token + more for token, more in zip(tokens, attended, strict=True)]
        scale, shift, w_1, b_1, w_2, b_2 = (next(remaining) for _ in range(6))
        for i, token in enumerate(tokens):
            hidden = gelu(w_1 @ normalised(token, scale, shift) + b_1)
            tokens[i] = token + w_2 @ hidden + b_2
    scale, shift, w, b = (next(remaining) for _ in range(4))
    assert next(remaining, None) is None
    return w @ torch.stack([normalised(token, scale, shift) for token in tokens]).mean(0) + b


@pytest.mark.parametrize("size", [(8, 8), (9, 14)])
def test_the_network_matches_the_papers(size: tuple[int, int]) -> None:
    network = network_for(3, size).double()
    image = torch.randn(3, *size, dtype=torch.float64)
    with torch.no_grad():
        expected = literal_logits(network, image, heads=4)
        torch.testing.assert_close(network(image[None])[0], expected)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", SIZES)
def test_attributions_add_up(size: tuple[int, int], channels: int) -> None:
    network = network_for(channels, size).requires_grad_(False)
    images, background = torch.randn(2, channels, *size), torch.randn(3, channels, *size)
    classes = torch.arange(5).expand(2, 5)
    values = deep.build(network, background, seed=0)(images, classes).values
    assert values.shape == (2, channels, *size, 5)
    exact = network.double()  # float32 would round the outputs by more than the bound allows
    change = (exact(images.double()) - exact(background.double()).mean(dim=0)).numpy()
    error = np.abs(values.sum(axis=(1, 2, 3), dtype=np.float64) - change)
    assert (error <= 2e-6 * np.abs(values).sum(axis=(1, 2, 3))).all()
