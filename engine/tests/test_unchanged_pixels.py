"""No work is spent where images and background do not differ, and the values stay the same."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from deepshap import DeepShap
from deepshap.graph.program import Program
from deepshap.precision import Activation, Precision


class Skip(nn.Module):
    """A convolution whose input is added to its output."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, planes: Tensor) -> Tensor:
        return torch.relu(self.convolution(planes)) + planes


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "pool": lambda: nn.Sequential(
        *[nn.Conv2d(1, 10, 5), nn.MaxPool2d(2), nn.ReLU(), nn.Conv2d(10, 20, 3, 2, 1), nn.ReLU()],
        *[nn.Flatten(), nn.Linear(20 * 5 * 5, 12), nn.ReLU(), nn.Linear(12, 3)],
    ),
    "linear layer behind a pool": lambda: nn.Sequential(
        *[nn.Conv2d(1, 16, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()],
        *[nn.Linear(16 * 11 * 11, 20), nn.ReLU(), nn.Linear(20, 3)],
    ),
    "skip connections": lambda: nn.Sequential(
        *[nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2)],
        *[Skip(16), Skip(16), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 3)],
    ),
    "one multiplier for all pairs": lambda: nn.Sequential(
        *[nn.Conv2d(1, 16, 3), nn.ReLU(), nn.Conv2d(16, 16, 3), nn.Conv2d(16, 16, 3)],
        *[nn.Flatten(), nn.LazyLinear(3)],
    ),
    "convolutions that PyTorch transposes": lambda: nn.Sequential(
        *[nn.Conv2d(1, 8, 3, dilation=2), nn.GELU(), nn.Conv2d(8, 16, 3), nn.ReLU()],
        *[nn.Conv2d(16, 16, (3, 1), groups=4), nn.MaxPool2d(3, 2), nn.ReLU()],
        *[nn.Conv2d(16, 16, 1), nn.ReLU(), nn.Flatten(), nn.LazyLinear(3)],
    ),
    "two channels, shifted and scaled": lambda: nn.Sequential(
        *[nn.BatchNorm2d(2), nn.Conv2d(2, 16, 3, (2, 1)), nn.ReLU(), nn.Conv2d(16, 16, 3)],
        *[nn.MaxPool2d((3, 2)), nn.ReLU(), nn.Flatten(), nn.LazyLinear(3)],
    ),
}


def case(name: str) -> tuple[nn.Module, Tensor, Tensor]:
    """A network, images and background images that are equal outside of a few pixels."""
    torch.manual_seed(0)
    network = NETWORKS[name]()
    sides = torch.full((11, 2 if "two" in name else 1, 24, 24), 0.3)
    for at, image in enumerate(sides):
        image[at % image.shape[0], 8 + at % 5 : 12 + at % 7, 10 : 13 + at % 4] = torch.rand(())
    network.eval()(sides)  # lazy layers get their weights
    return network, sides[:5], sides[5:]


@pytest.mark.parametrize("name", NETWORKS)
def test_the_values_are_the_same_to_the_bit(
    name: str, monkeypatch: pytest.MonkeyPatch, ran: list[str]
) -> None:
    network, images, background = case(name)
    explainer = DeepShap(network, background)
    values = explainer.attribute(images)
    n_loops = len(ran)
    monkeypatch.setattr(Program, "changed", lambda *sides: {})
    assert torch.equal(values, explainer.attribute(images))
    assert len(ran) == 2 * n_loops > 0


@pytest.mark.parametrize("name", NETWORKS)
def test_an_activation_changes_where_it_depends_on_a_pixel_that_does(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pixels that differ become NaN, which spreads to all that depends on them."""
    monkeypatch.setattr("deepshap.graph.program._WORTH_SKIPPING", 1.1)
    network, images, background = case(name)
    program = DeepShap(network, background)._program
    found = program.changed(images, background)
    pairs = [
        torch.where(image == other, image, torch.nan) for image in images for other in background
    ]
    precision = Precision(images)
    values = {program.source: Activation(torch.stack(pairs).double(), precision)}
    for node, step in program.steps.items():
        values[node], _ = step.rule.forward(*(values[read] for read in step.inputs))
    assert len(found) >= 3
    for node, changed in found.items():
        assert torch.equal(changed, values[node].wide.isnan().any(1)), node


def test_images_that_differ_everywhere_skip_nothing() -> None:
    network, images, background = case("pool")
    program = DeepShap(network, background)._program
    assert program.changed(images + 1, background) == {}


def test_an_image_of_the_background_has_no_attributions() -> None:
    network, images, _ = case("skip connections")
    values = DeepShap(network, images[:1]).attribute(images[:1])
    assert not values.any()
