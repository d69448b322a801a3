"""Every rule agrees with a slow, literal second implementation in float64."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from deepshap import DeepShap

from ..networks import Function, initialise
from . import literal
from .literal import Pair

ELEMENTWISE = {
    "relu": F.relu,
    "leaky_relu": lambda x: F.leaky_relu(x, 0.2),
    "elu": F.elu,
    "selu": F.selu,
    "gelu": F.gelu,
    "silu": F.silu,
    "hardswish": F.hardswish,
    "hardsigmoid": F.hardsigmoid,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "softplus": F.softplus,
}

MAX_POOLS = {
    "2": (lambda x: F.max_pool2d(x, 2), literal.pool_windows(2, 2)),
    "3/2": (lambda x: F.max_pool2d(x, 3, 2), literal.pool_windows(3, 2)),
    "3/1": (lambda x: F.max_pool2d(x, 3, 1), literal.pool_windows(3, 1)),
    "padded": (lambda x: F.max_pool2d(x, 3, 2, 1), literal.pool_windows(3, 2, 1)),
    "dilated": (lambda x: F.max_pool2d(x, 2, 1, 0, 2), literal.pool_windows(2, 1, 0, 2)),
    "ceil": (
        lambda x: F.max_pool2d(x, 3, 2, ceil_mode=True),
        literal.pool_windows(3, 2, ceil_mode=True),
    ),
    "ceil, apart": (
        lambda x: F.max_pool2d(x, 4, 4, ceil_mode=True),
        literal.pool_windows(4, 4, ceil_mode=True),
    ),
    "adaptive": (lambda x: F.adaptive_max_pool2d(x, 4), literal.adaptive_pool_windows(4)),
}


def layers(features: int) -> dict[str, nn.Module]:
    return {"first": nn.Conv2d(2, 3, 2), "head": nn.Linear(features, 2)}


def check(
    network: nn.Module, function: Callable[[Pair], Pair], x: Tensor, background: Tensor
) -> None:
    expected = literal.attribute(function, x, background)
    found = DeepShap(network, background).attribute(x)
    assert torch.allclose(found, expected, rtol=0, atol=closeness(expected))


def closeness(expected: Tensor) -> float:
    return 1e-12 * float(expected.abs().max())


def images(n: int, seed: int) -> Tensor:
    """Uniform noise; a quarter of the pixels is equal in all images, so some changes are 0."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(n, 2, 7, 8, generator=generator, dtype=torch.float64)
    x[:, :, :4, :4] = 0.5
    return x


def built(
    forward: Callable[[nn.Module, Tensor], Tensor], modules: dict[str, nn.Module]
) -> nn.Module:
    torch.manual_seed(0)
    network = Function(forward, **modules).eval()
    initialise(network)
    return network.double().requires_grad_(False)


def test_elementwise() -> None:
    """One network has two outputs for each function, so that it is exported once."""
    net = built(
        lambda net, x: torch.cat(
            [net.head(function(net.first(x)).flatten(1)) for function in ELEMENTWISE.values()], 1
        ),
        layers(126),
    )
    x, background = images(2, 0), images(3, 1)
    found = DeepShap(net, background).attribute(x).unflatten(-1, (-1, 2)).unbind(-2)

    for name, values in zip(ELEMENTWISE, found, strict=True):

        def pairs(pair: Pair, function: Callable[[Tensor], Tensor] = ELEMENTWISE[name]) -> Pair:
            pair = literal.elementwise(function, literal.linear(net.first, pair))
            return literal.linear(lambda x: net.head(x.flatten(1)), pair)

        expected = literal.attribute(pairs, x, background)
        assert torch.allclose(values, expected, rtol=0, atol=closeness(expected)), name


@pytest.mark.parametrize("rectified", [False, True], ids=["", "after relu"])
def test_max_pool(rectified: bool) -> None:
    """One network has two outputs for each kind of windows, so that it is exported once."""
    before = F.relu if rectified else (lambda x: x)
    features = {
        name: pool(torch.zeros(1, 3, 6, 7)).numel() for name, (pool, _) in MAX_POOLS.items()
    }
    net = built(
        lambda net, x: torch.cat(
            [
                head(pool(before(net.first(x))).flatten(1))
                for head, (pool, _) in zip(net.heads, MAX_POOLS.values(), strict=True)
            ],
            1,
        ),
        layers(1) | {"heads": nn.ModuleList(nn.Linear(n, 2) for n in features.values())},
    )
    x, background = images(2, 0), images(3, 1)
    found = DeepShap(net, background).attribute(x).unflatten(-1, (-1, 2)).unbind(-2)

    for name, values, head in zip(MAX_POOLS, found, net.heads, strict=True):

        def pairs(pair: Pair, name: str = name, head: nn.Module = head) -> Pair:
            pair = literal.linear(net.first, pair)
            if rectified:
                pair = literal.elementwise(F.relu, pair)
            pooled = literal.max_pool(pair, MAX_POOLS[name][1])
            return literal.linear(lambda x: head(x.flatten(1)), pooled)

        expected = literal.attribute(pairs, x, background)
        assert torch.allclose(values, expected, rtol=0, atol=closeness(expected)), name


def test_product_of_two_branches() -> None:
    net = built(
        lambda net, x: net.head(
            (
                F.relu(net.first(x)) * torch.sigmoid(net.gate(net.first(x).mean((2, 3), True)))
            ).flatten(1)
        ),
        layers(126) | {"gate": nn.Conv2d(3, 3, 1)},
    )

    def pairs(pair: Pair) -> Pair:
        first = literal.linear(net.first, pair)
        gate = literal.linear(lambda x: net.gate(x.mean((2, 3), True)), first)
        product = literal.product(
            literal.elementwise(F.relu, first), literal.elementwise(torch.sigmoid, gate)
        )
        return literal.linear(lambda x: net.head(x.flatten(1)), product)

    check(net, pairs, images(2, 0), images(3, 1))


def test_product_has_a_closed_form() -> None:
    """x times x has the multiplier x + b, so the attribution is x^2 - b^2."""
    net = Function(lambda net, x: (x * x).sum((2, 3))).eval()
    x, background = images(1, 0), images(1, 1)
    values = DeepShap(net, background).attribute(x)
    squares = (x**2 - background**2)[0]
    assert torch.allclose(values[0, 0, :, :, 0], squares[0], atol=1e-14)
    assert torch.equal(values[0, 1, :, :, 0], torch.zeros(7, 8, dtype=torch.float64))


@pytest.mark.parametrize("function", [F.softmax, F.log_softmax])
def test_softmax(function: Callable[..., Tensor]) -> None:
    net = built(lambda net, x: function(net.head(net.first(x).flatten(1)), dim=1), layers(126))

    def pairs(pair: Pair) -> Pair:
        logits = literal.linear(lambda x: net.head(net.first(x).flatten(1)), pair)
        return literal.softmax(lambda x: function(x, dim=1), logits)

    check(net, pairs, images(2, 0), images(3, 1))


def test_a_linear_network_has_a_closed_form() -> None:
    net = built(lambda net, x: net.head(x.flatten(1)), {"head": nn.Linear(112, 2)})
    x, background = images(2, 0), images(3, 1)
    weight = net.head.weight.view(2, 2, 7, 8).permute(1, 2, 3, 0)
    expected = (x - background.mean(0)).unsqueeze(-1) * weight
    assert torch.allclose(DeepShap(net, background).attribute(x), expected, atol=1e-14)
