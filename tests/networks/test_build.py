"""Networks compared with the tutorials and with torchvision."""

from pathlib import Path

import pytest
import torch
from torch import nn

from stages.base.errors.user import UserError
from stages.networks.build import (
    Classifier,
    Standardize,
    Statistics,
    build_network,
    require_reusable,
)
from tests.factory import dataset_info

INFO = dataset_info(mean=0.1307, std=0.3081)


@pytest.mark.parametrize(("name", "count"), [("convnet", 34_826), ("lenet", 21_840)])
def test_networks_have_as_many_parameters_as_in_the_tutorials(name: str, count: int) -> None:
    network = build_network(name, INFO, {})
    assert sum(parameter.numel() for parameter in network.parameters()) == count


def test_the_first_layer_equals_to_tensor_and_normalize() -> None:
    from torchvision.transforms.v2 import functional

    images = torch.randint(0, 256, (3, 1, 28, 28), dtype=torch.uint8)
    expected = functional.normalize(
        functional.to_dtype(images, torch.float32, scale=True), list(INFO.mean), list(INFO.std)
    )
    first = build_network("lenet", INFO, {})[0]
    torch.testing.assert_close(first(images), expected)
    torch.testing.assert_close(first(images.float()), expected)


class OfOneImage(nn.Module):
    """Works for one image, and mixes up several."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.reshape(1, -1)[:, :10]


class Linear(nn.Module):
    """As many inputs as one image has pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(64, 10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.linear(images.reshape(1, -1))


class Worn(nn.Module):
    """Works twice."""

    def __init__(self) -> None:
        super().__init__()
        self.left = 2

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.left -= 1
        if self.left < 0:
            raise RuntimeError("the buffer is full")
        return images.flatten(1)[:, :10]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (OfOneImage(), r"own\.py: its network maps 3 images to 1 outputs, expected one for each"),
        (Linear(), r"own\.py: fails when it is called again, with a batch of 3: RuntimeError: "),
        (Worn(), r"own\.py: fails when .*, with a batch of 1: RuntimeError: the buffer is full; "),
        (nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), None),
    ],
)
def test_a_network_that_explain_could_not_call(body: nn.Module, message: str | None) -> None:
    network = Classifier(Standardize(Statistics((0.5,), (0.5,))), body, Path("own.py"))
    images = torch.rand(3, 1, 8, 8)
    if message is None:
        require_reusable(network, images)
    else:
        with pytest.raises(UserError, match=message):
            require_reusable(network, images)
