"""Networks with channels last become the same steps as those with channels first."""

from collections import Counter

import pytest
import torch
from torch import Tensor, nn

from deepshap import DeepShap
from deepshap.graph.program import Program

F64 = torch.float64


class ChannelsLast(nn.Module):
    """A module for channels first, between permutations."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> Tensor:
        planes: Tensor = self.module(x.permute(0, 3, 1, 2))
        return planes.permute(0, 2, 3, 1)


class Small(nn.Module):
    """Convolutions, factors and a residual block, with channels first or last."""

    def __init__(self, last: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.last = last
        convolutions = [
            nn.Conv2d(3, 8, 3, bias=False),
            nn.Conv2d(8, 8, 3, padding=1, bias=False),
            nn.Conv2d(8, 8, 3, padding=1),
        ]
        layers: list[nn.Module] = [*convolutions, nn.MaxPool2d(2)]
        self.layers = nn.ModuleList(map(ChannelsLast, layers) if last else layers)
        self.scale, self.shift = nn.Parameter(torch.rand(8)), nn.Parameter(torch.rand(1, 8))
        self.by_place = nn.Parameter(torch.rand(8, 10, 10))
        self.head = nn.Linear(8 * 25, 4)

    def forward(self, images: Tensor) -> Tensor:
        first, second, third, pool = self.layers
        scale, shift, by_place = self.scale, self.shift, self.by_place
        if self.last:
            x, by_place = images.permute(0, 2, 3, 1), by_place.permute(1, 2, 0)
        else:
            x, scale, shift = images, scale[:, None, None], shift[..., None, None]
        x = torch.relu(scale * first(x) + shift)
        x = 1 - x * by_place
        inner = torch.tanh(second(x)).contiguous()
        x = torch.relu(torch.add(third(inner), x, alpha=2))
        x = pool(x.clone())
        logits: Tensor = self.head((x.permute(0, -1, 1, 2) if self.last else x).flatten(1))
        return logits


def rules(network: nn.Module) -> Counter[str]:
    """How often each rule occurs in the steps of a network that do anything."""
    steps = Program(network, torch.rand(1, 3, 12, 12, dtype=F64)).steps.values()
    names = (type(step.rule).__name__ for step in steps)
    return Counter(name for name in names if name != "Unchanged")


def test_channels_last_are_the_same_steps() -> None:
    first, last = (Small(last).to(F64).eval() for last in (False, True))
    images, background = torch.rand(2, 5, 3, 12, 12, dtype=F64)
    assert torch.allclose(first(images), last(images)), "the networks are the same"
    assert rules(last) == rules(first)
    expected = DeepShap(first, background).attribute(images)
    found = DeepShap(last, background).attribute(images)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)


KEPT = {
    "of one input of two": lambda x: x.permute(0, 1, 3, 2) + x,
    "of different order": lambda x: x.permute(0, 1, 3, 2) * x.permute(0, 2, 3, 1),
    "before a reader of layout": lambda x: x.permute(0, 3, 2, 1).contiguous().view(-1, 9, 3).sqrt(),
    "at the end of a branch": lambda x: (x.permute(0, 3, 1, 2).square(), x.sin())[0],
    "twice": lambda x: x.permute(0, 2, 3, 1).abs().permute(0, 2, 3, 1).exp(),
}


@pytest.mark.parametrize("name", KEPT)
def test_other_permutations_keep_their_meaning(name: str) -> None:
    """Integrated exactly: the sum over a network's pixels is the difference of its outputs."""
    torch.manual_seed(0)

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.LazyLinear(2, dtype=F64)

        def forward(self, x: Tensor) -> Tensor:
            logits: Tensor = self.head(KEPT[name](x).reshape(len(x), -1))
            return logits

    images, background = torch.rand(2, 4, 3, 3, 3, dtype=F64)
    network = Network().eval()
    outputs = network(images) - network(background).mean(0)
    values = DeepShap(network, background).attribute(images)
    torch.testing.assert_close(values.sum((1, 2, 3)), outputs, rtol=1e-10, atol=1e-12)
