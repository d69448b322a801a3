"""Networks compared with the tutorials and with torchvision."""

import pytest
import torch

from stages.networks.build import build_network
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
