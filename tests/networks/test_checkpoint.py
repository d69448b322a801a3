"""A checkpoint is enough to rebuild its network."""

import json
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file

from stages.artifacts.splits import DatasetInfo, load_info, load_split
from stages.networks.build import build_network
from stages.networks.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from tests.conftest import Project
from tests.factory import dataset_info


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


def test_the_files_are_plain_safetensors_and_json(tmp_path: Path) -> None:
    info = dataset_info("abc", (8, 9), 3, mean=(0.1, 0.2, 0.3), std=(1.0, 2.0, 3.0))
    torch.manual_seed(0)
    network = build_network("vit", info, {"depth": 1}).to(memory_format=torch.channels_last)
    folder, parameters = tmp_path / "model", {"seed": 0, "train": {"epochs": 2}}
    save_checkpoint(Checkpoint(network, "vit", {"depth": 1}, info, parameters), folder)
    assert {path.name for path in folder.iterdir()} == {"weights.safetensors", "network.json"}
    weights = load_file(folder / "weights.safetensors")
    assert weights.keys() == network.state_dict().keys()
    for name, tensor in network.state_dict().items():
        np.testing.assert_array_equal(weights[name], tensor)
    record = json.loads((folder / "network.json").read_text())
    info_record = record.pop("info")
    assert record == {"architecture": "vit", "options": {"depth": 1}, "parameters": parameters}
    assert DatasetInfo.from_json(info_record) == info
    loaded = load_checkpoint(torch.device("cpu"), folder)
    assert not any(module.training for module in loaded.network.modules())
    assert (loaded.architecture, loaded.options) == ("vit", {"depth": 1})
    assert (loaded.info, loaded.parameters) == (info, parameters)
    for name, tensor in loaded.network.state_dict().items():
        assert torch.equal(tensor, network.state_dict()[name])
