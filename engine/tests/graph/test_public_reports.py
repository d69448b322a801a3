"""What users report of their networks in public trackers, rebuilt from the description.

Where a value could be wrong, the expected ones are those of the same network written with the
operations whose values other tests check.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from deepshap import DeepShap, UnsupportedOperation

from ..networks import Function, build, images
from .reported_networks import PAIRS

F64 = torch.float64


@pytest.mark.parametrize("report", PAIRS)
def test_values_are_those_of_the_network_written_plainly(report: str) -> None:
    make, rewrite = PAIRS[report]
    network = build(make, F64)
    background, x = images(3, F64), images(2, F64, seed=2)
    given, weights = (background.clone(), x.clone()), [p.clone() for p in network.parameters()]
    values = DeepShap(network, background).attribute(x)
    assert all(map(torch.equal, network.parameters(), weights))
    assert torch.equal(background, given[0])
    assert torch.equal(x, given[1])
    change = network(x.clone()) - network(background.clone()).mean(0)
    assert torch.allclose(values.sum((1, 2, 3)), change, rtol=1e-9, atol=1e-12)
    expected = DeepShap(rewrite(network).eval(), background).attribute(x)
    assert torch.allclose(values, expected, rtol=1e-9, atol=1e-12)


def test_exponentials_of_large_logits_add_up() -> None:
    """meta-pytorch/captum#1085: exp of centred logits, times themselves, of a tuple's part."""
    inner = nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(256, 3))

    def forward(net: nn.Module, x: Tensor) -> Tensor:
        logits = (net.inner(x), x)[0]
        logits = logits - logits.mean(dim=-1, keepdims=True)
        return (torch.exp(logits) * logits).sum(-1, keepdim=True)

    network = build(lambda: Function(forward, inner=inner), F64)
    with torch.no_grad():
        network.inner[3].weight *= 8
    background, x = images(3, F64), images(4, F64, seed=2)
    outputs = network(x)
    assert outputs.max() > 1000  # the logits are large
    change = outputs - network(background).mean(0)
    values = DeepShap(network, background).attribute(x)
    assert torch.allclose(values.sum((1, 2, 3)), change, rtol=1e-9, atol=0)


def test_a_forward_that_was_replaced_keeps_its_bank() -> None:
    """pytorch/pytorch#159787: a wrapper puts another forward into the network and records calls."""
    network = build(lambda: nn.Sequential(nn.Flatten(), nn.Linear(200, 3)), F64)

    class Control:
        def __init__(self) -> None:
            self.bank: list[Tensor] = []

            def recording(module: nn.Module, x: Tensor) -> Tensor:
                self.bank.append(x.clone())
                return F.linear(x, module.weight, module.bias)

            network[1].forward = types.MethodType(recording, network[1])

    control = Control()
    x = images(3, F64)
    expected = network(x)
    (kept,) = control.bank
    DeepShap(network, x).attribute(x)
    assert len(control.bank) == 1
    assert control.bank[0] is kept
    assert torch.equal(network(x), expected)


def test_sizes_kept_on_self_are_those_of_before() -> None:
    """pytorch/pytorch#130820: YOLOX keeps the sizes of its features, for later code."""

    class Head(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ModuleList([nn.Conv2d(2, 3, 3), nn.Conv2d(2, 3, 5)])

        def forward(self, x: Tensor) -> Tensor:
            outputs = [layer(x) for layer in self.layers]
            self.hw = [y.shape[-2:] for y in outputs]
            return torch.cat([y.flatten(start_dim=2) for y in outputs], dim=2).mean(2)

    network = build(Head, F64)
    network(images(1, F64))
    before = network.hw
    DeepShap(network, images(3, F64)).attribute(images(2, F64, seed=2))
    assert network.hw is before
    assert before == [(8, 8), (6, 6)]


def test_images_one_pixel_wide_with_many_channels() -> None:
    """jacobgil/pytorch-grad-cam#452: 11 channels of 60×1; the map has the images' shape."""
    network = nn.Sequential(
        nn.Conv2d(11, 4, (5, 1)), nn.ReLU(), nn.MaxPool2d((2, 1)), nn.Flatten(), nn.LazyLinear(3)
    )
    x = torch.rand(5, 11, 60, 1, generator=torch.Generator().manual_seed(0), dtype=F64)
    network.to(F64).eval()
    expected = network(x[3:]) - network(x[:3]).mean(0)
    values = DeepShap(network, x[:3]).attribute(x[3:])
    assert values.shape == (2, 11, 60, 1, 3)
    assert torch.allclose(values.sum((1, 2, 3)), expected, rtol=1e-9)


class MetaTensor(Tensor):
    """Project-MONAI/MONAI#6326: images arrive as a subclass of tensors."""


def test_images_of_a_subclass_are_explained() -> None:
    network = build(lambda: nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Flatten(1)), F64)
    background, x = images(3, F64), images(2, F64, seed=2)
    expected = DeepShap(network, background).attribute(x)
    explainer = DeepShap(network, background.as_subclass(MetaTensor))
    assert torch.equal(explainer.attribute(x.as_subclass(MetaTensor)).as_subclass(Tensor), expected)


def test_a_part_without_gradients_is_explained() -> None:
    """meta-pytorch/captum#324: gradients are off in forward, or where it is explained."""

    def forward(net: nn.Module, x: Tensor) -> Tensor:
        with torch.no_grad():
            y = torch.relu(net.first(x))
        return net.head(y.flatten(1))

    network = build(
        lambda: Function(forward, first=nn.Conv2d(2, 4, 3), head=nn.Linear(256, 3)), F64
    )
    background, x = images(3, F64), images(2, F64, seed=2)
    change = network(x) - network(background).mean(0)
    with torch.inference_mode():
        values = DeepShap(network, background).attribute(x)
    assert torch.allclose(values.sum((1, 2, 3)), change, rtol=1e-9, atol=1e-12)


REFUSED: dict[str, tuple[Callable[[nn.Module, Tensor], Any], str]] = {
    # A network that ends in a map; shap/shap#3449 has the same.
    "pytorch-grad-cam#169": (lambda net, x: net.head(x), r"\(n, k\)"),
    "MONAI tutorials#1483": (lambda net, x: net.head(x["mri"] + x["ct"]), "forward at Function"),
}


@pytest.mark.parametrize("report", REFUSED)
def test_what_cannot_be_explained_is_refused_with_a_message(report: str) -> None:
    forward, message = REFUSED[report]
    network = build(lambda: Function(forward, head=nn.Conv2d(2, 4, 3)), F64)
    with pytest.raises((ValueError, UnsupportedOperation), match=message) as refused:
        DeepShap(network, images(3, F64))
    assert "\n" not in str(refused.value)
