"""A checkpoint of a real run is enough to rebuild the network."""

import numpy as np
import torch
from safetensors.numpy import load_file

from stages.artifacts.splits import load_info, load_split
from stages.networks.checkpoint import load_checkpoint
from tests.conftest import Project


def test_the_checkpoint_rebuilds_the_network(ran_project: Project) -> None:
    folder = ran_project.root / "data/model"
    checkpoint = load_checkpoint(torch.device("cpu"), folder)
    network = checkpoint.network
    weights = load_file(folder / "weights.safetensors")
    assert {name: tuple(t.shape) for name, t in network.state_dict().items()} == {
        name: array.shape for name, array in weights.items()
    }
    test = load_split("test", ran_project.root / "data/prepared")
    with torch.no_grad():
        logits = network(torch.from_numpy(test.images))
    stored = np.load(ran_project.root / "data/predictions/probabilities.npy")
    np.testing.assert_allclose(logits.softmax(dim=1).numpy(), stored, atol=1e-6)
    assert checkpoint.info == load_info(ran_project.root / "data/prepared")
