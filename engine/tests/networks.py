"""Small networks that cover the table of operations, from (n, 2, 10, 10) images to 3 outputs."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any
from unittest import mock

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from deepshap import DeepShap, engine
from deepshap.graph.program import Program

SHAPE = (2, 10, 10)


class Function(nn.Module):
    """A network whose forward pass is a function of the network and its images."""

    def __init__(
        self, forward: Callable[[nn.Module, Tensor], Tensor], **modules: nn.Module
    ) -> None:
        super().__init__()
        self.function = forward
        for name, module in modules.items():
            self.add_module(name, module)

    def forward(self, images: Tensor) -> Tensor:
        return self.function(self, images)


class Standardize(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor([0.4, 0.6]).view(1, 2, 1, 1))
        self.register_buffer("scale", torch.tensor([2.0, 3.0]).view(1, 2, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        return (images - self.mean) * self.scale


def behind(*middle: nn.Module, first: nn.Module | None = None) -> nn.Sequential:
    """A convolution, the modules under test, and a linear layer."""
    first = first or nn.Conv2d(2, 4, 3)
    body = nn.Sequential(first, *middle, nn.Flatten())
    features = body.eval()(torch.zeros(1, *SHAPE)).shape[1]
    return nn.Sequential(first, *middle, nn.Flatten(), nn.Linear(features, 3))


def trained_norm(channels: int) -> nn.BatchNorm2d:
    norm = nn.BatchNorm2d(channels)
    nn.init.normal_(norm.running_mean)
    nn.init.uniform_(norm.running_var, 0.5, 2)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    return norm


SHAP_IS_RIGHT: dict[str, Callable[[], nn.Module]] = {
    "conv relu pool": lambda: behind(nn.ReLU(), nn.MaxPool2d(2)),
    "conv pool relu": lambda: behind(nn.MaxPool2d(2), nn.ReLU()),
    "standardized": lambda: nn.Sequential(
        Standardize(), *behind(nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 3, 2), nn.Tanh())
    ),
    "strided, padded, dilated": lambda: behind(
        nn.ReLU(), nn.Conv2d(4, 5, 3, stride=2, padding=2, dilation=2), nn.LeakyReLU(0.1)
    ),
    "strided, padded first, pool cuts": lambda: behind(
        nn.MaxPool2d(2), nn.ELU(), first=nn.Conv2d(2, 4, (3, 2), stride=(1, 2), padding=(2, 1))
    ),
    "dilated first": lambda: behind(nn.ReLU(), first=nn.Conv2d(2, 4, 3, stride=2, dilation=2)),
    "grouped": lambda: behind(
        nn.ReLU(), nn.Conv2d(4, 4, 3, groups=2), nn.SELU(), first=nn.Conv2d(2, 4, 3, groups=2)
    ),
    "transposed convolution": lambda: behind(
        nn.ReLU(),
        nn.ConvTranspose2d(4, 2, 3, stride=2, padding=1, output_padding=1),
        nn.Softplus(),
    ),
    "batch norm": lambda: behind(trained_norm(4), nn.ReLU(), nn.AvgPool2d(2)),
    "adaptive average": lambda: behind(nn.Sigmoid(), nn.AdaptiveAvgPool2d(3)),
    "average, dropout": lambda: behind(
        nn.GELU(), nn.Dropout(), nn.AvgPool2d(3, 2, padding=1, count_include_pad=False)
    ),
    "pool 3, stride 3": lambda: behind(nn.MaxPool2d(3), nn.ReLU()),
    "pool, then pool": lambda: behind(nn.MaxPool2d(2), nn.MaxPool2d(2), nn.Identity()),
    "pool of the images": lambda: behind(nn.ReLU(), first=nn.MaxPool2d(2)),
    "linear alone": lambda: nn.Sequential(nn.Flatten(), nn.Linear(200, 3)),
    "two linear": lambda: nn.Sequential(
        nn.Flatten(), nn.Linear(200, 8), nn.Tanh(), nn.Linear(8, 3)
    ),
}
"""Networks for which shap.DeepExplainer is additive."""


def _residual(net: nn.Module, x: Tensor) -> Tensor:
    x = net.norm(net.first(x))
    y = net.relu(net.norm2(net.second(x)))
    return net.head(net.relu(y + x).mean((2, 3)))


def _in_place_residual(net: nn.Module, x: Tensor) -> Tensor:
    x = net.first(x)
    y = net.norm(net.second(net.relu(x)))
    y += net.skip(x)
    return net.head(F.relu_(y).flatten(1))


def _functional(net: nn.Module, x: Tensor) -> Tensor:
    x = F.max_pool2d(F.relu(F.conv2d(x, net.first.weight, net.first.bias)), 2)
    x = torch.nn.functional.pad(x, (1, 0, 2, 1), mode="constant")[:, 1:, :, :-1]
    return net.head(x.permute(0, 2, 3, 1).reshape(x.size(0), -1))


def _branches(net: nn.Module, x: Tensor) -> Tensor:
    first, second = net.first(x), net.second(x)
    joined = torch.cat([F.silu(first), F.hardswish(second), x[:, :1]], dim=1)
    return net.head(F.max_pool2d(joined, 3, 1).flatten(1))


def _squeeze_excite(net: nn.Module, x: Tensor) -> Tensor:
    x = F.relu(net.first(x))
    gate = torch.sigmoid(net.gate(F.adaptive_avg_pool2d(x, 1)))
    return net.head((x * gate).flatten(1))


def _constants(net: nn.Module, x: Tensor) -> Tensor:
    x = 1 - (x / 2 - 0.25) * 3
    x = torch.relu(net.first(x)).sub(0.1).mul(-2)
    return -net.head(torch.flatten(x + x, 1)) + 1


def _own_constants(net: nn.Module, x: Tensor) -> Tensor:
    x = torch.relu(net.first(x) * torch.full((1, 4, 1, 1), 2.0) + torch.tensor(0.5))
    return net.head(x.flatten(1))


def _square(net: nn.Module, x: Tensor) -> Tensor:
    x = net.first(x)
    return net.head((x * x).flatten(1))


SHAP_IS_WRONG: dict[str, Callable[[], nn.Module]] = {
    "overlapping pool 3/2": lambda: behind(nn.ReLU(), nn.MaxPool2d(3, 2)),
    "overlapping pool 3/1": lambda: behind(nn.MaxPool2d(3, 1), nn.ReLU()),
    "functional": lambda: Function(
        _functional, first=nn.Conv2d(2, 4, 3), head=nn.Linear(3 * 7 * 4, 3)
    ),
    "one module twice": lambda: (lambda relu: behind(relu, nn.Conv2d(4, 4, 3, padding=1), relu))(
        nn.ReLU()
    ),
    "residual": lambda: Function(
        _residual,
        first=nn.Conv2d(2, 4, 3, padding=1),
        norm=trained_norm(4),
        second=nn.Conv2d(4, 4, 3, padding=1),
        norm2=trained_norm(4),
        relu=nn.ReLU(),
        head=nn.Linear(4, 3),
    ),
}
"""Networks for which shap.DeepExplainer is not additive."""

OURS_ALONE: dict[str, Callable[[], nn.Module]] = {
    **SHAP_IS_WRONG,
    "pool padded": lambda: behind(nn.MaxPool2d(3, 2, padding=1), nn.Tanh()),
    "pool dilated": lambda: behind(nn.ReLU(), nn.MaxPool2d(2, 1, dilation=2)),
    "pool padded and dilated": lambda: behind(nn.MaxPool2d(3, 1, padding=1, dilation=2)),
    "pool ceil": lambda: behind(nn.MaxPool2d(3, 3, ceil_mode=True), nn.ReLU()),
    "pool ceil, overlapping": lambda: behind(nn.MaxPool2d(3, 2, ceil_mode=True, padding=1)),
    "pool, gap between windows": lambda: behind(nn.MaxPool2d(2, 3), nn.ReLU()),
    "adaptive max": lambda: behind(nn.AdaptiveMaxPool2d(3), nn.ReLU()),
    "global max": lambda: behind(nn.ReLU(), nn.AdaptiveMaxPool2d(1)),
    "silu, hardswish, hardsigmoid": lambda: behind(
        nn.SiLU(), nn.Conv2d(4, 4, 1), nn.Hardswish(), nn.Conv2d(4, 4, 1), nn.Hardsigmoid()
    ),
    "relu6, gelu by tanh": lambda: behind(nn.ReLU6(), nn.Conv2d(4, 4, 1), nn.GELU("tanh")),
    "in-place activations": lambda: behind(
        nn.ReLU(inplace=True), nn.Conv2d(4, 4, 3), nn.ELU(0.5, inplace=True)
    ),
    "padding modes": lambda: behind(
        nn.ReLU(),
        nn.ReflectionPad2d(1),
        nn.Conv2d(4, 4, 3, padding=1, padding_mode="circular"),
        nn.Tanh(),
        first=nn.Conv2d(2, 4, 3, padding="same"),
    ),
    "in-place residual": lambda: Function(
        _in_place_residual,
        first=nn.Conv2d(2, 4, 3, bias=False),
        second=nn.Conv2d(4, 4, 3, padding=1),
        skip=nn.Conv2d(4, 4, 1),
        norm=trained_norm(4),
        relu=nn.ReLU(),
        head=nn.Linear(256, 3),
    ),
    "branches": lambda: Function(
        _branches,
        first=nn.Conv2d(2, 2, 3, padding=1),
        second=nn.Conv2d(2, 3, 1),
        head=nn.Linear(6 * 64, 3),
    ),
    "squeeze and excitation": lambda: Function(
        _squeeze_excite, first=nn.Conv2d(2, 4, 3), gate=nn.Conv2d(4, 4, 1), head=nn.Linear(256, 3)
    ),
    "constants": lambda: Function(_constants, first=nn.Conv2d(2, 4, 3), head=nn.Linear(256, 3)),
    "constants made in forward": lambda: Function(
        _own_constants, first=nn.Conv2d(2, 4, 3), head=nn.Linear(256, 3)
    ),
    "square": lambda: Function(_square, first=nn.Conv2d(2, 4, 3), head=nn.Linear(256, 3)),
}
"""Networks that shap explains wrongly or not at all."""

NETWORKS = {**SHAP_IS_RIGHT, **OURS_ALONE}


def build(network: Callable[[], nn.Module], dtype: torch.dtype, seed: int = 0) -> nn.Module:
    """The network with seeded weights, in eval mode.

    He initialisation makes outputs vary as much as a trained network's. With PyTorch's own, changes
    are so small relative to the outputs that float32 has fewer than five digits of them.
    """
    torch.manual_seed(seed)
    built = network().eval()
    initialise(built)
    return built.to(dtype)


@functools.cache
def shared(name: str, dtype: torch.dtype) -> nn.Module:
    """The network of that name, built once in a process; no test may change it."""
    return build(NETWORKS[name], dtype)


_PROGRAMS: dict[nn.Module, Program] = {}


def explainer_of(network: nn.Module, background: Tensor, **options: Any) -> DeepShap:
    """An explainer of a network that no test changes, which is exported once in a process."""

    def exported_once(network: nn.Module, image: Tensor) -> Program:
        if network not in _PROGRAMS:
            _PROGRAMS[network] = Program(network, image)
        return _PROGRAMS[network]

    with mock.patch.object(engine, "Program", exported_once):
        return DeepShap(network, background, **options)


def initialise(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight)


def images(n: int, dtype: torch.dtype, seed: int = 1) -> Tensor:
    """Seeded uniform images."""
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(n, *SHAPE, generator=generator, dtype=dtype)
