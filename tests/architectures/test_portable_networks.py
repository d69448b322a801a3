"""Built-in networks that the explorer page can compute; `engine/tests` checks their values."""

import pytest
import torch

from deepshap import UnsupportedOperation, portable_operations
from stages.networks.build import build_network
from tests.factory import dataset_info

INFO = dataset_info(size=(20, 24), mean=0.2)
IMAGE = torch.zeros(1, 1, 20, 24)


@pytest.mark.parametrize("name", ["convnet", "lenet", "single_conv", "resnet"])
def test_these_networks_are_portable(name: str) -> None:
    operations = portable_operations(build_network(name, INFO, {}).eval(), IMAGE)
    assert [operation.kind for operation in operations].count("affine") == 1, "norms are folded"
    assert operations[-1].shape == (10,)


def test_the_vision_transformer_is_not() -> None:
    with pytest.raises(UnsupportedOperation, match=r"gelu at .*stem.*GELU"):
        portable_operations(build_network("vit", INFO, {}).eval(), IMAGE)
