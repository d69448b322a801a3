"""The trained network, `data/model`: train writes it, later stages rebuild it.

It lives here and not in `stages/artifacts/`, since loading it builds a network.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load, save
from torch import nn

from stages.artifacts.splits import DatasetInfo
from stages.core.files import new_folder, read_json, write_json
from stages.networks.build import build_network

FOLDER = Path("data/model")
_WEIGHTS, _RECORD = "weights.safetensors", "network.json"


@dataclass(frozen=True)
class Checkpoint:
    """A trained network, and what it takes to rebuild it.

    Attributes:
        network: Maps raw images (n, c, h, w) to logits (n, k).
        architecture: Name of a file in `stages/architectures/`.
        options: Keyword arguments of its `build`.
        info: The data set that the network was trained on.
        parameters: Of all stages up to here, by section of `params.yaml`.
    """

    network: nn.Sequential
    architecture: str
    options: Mapping[str, Any]
    info: DatasetInfo
    parameters: Mapping[str, Any]


def save_checkpoint(checkpoint: Checkpoint, folder: Path = FOLDER) -> None:
    """Write the weights, and the rest as JSON."""
    weights = {
        name: tensor.cpu().contiguous().clone()
        for name, tensor in checkpoint.network.state_dict().items()
    }
    record = {
        "architecture": checkpoint.architecture,
        "options": checkpoint.options,
        "info": vars(checkpoint.info),
        "parameters": checkpoint.parameters,
    }
    with new_folder(folder) as new:
        (new / _WEIGHTS).write_bytes(save(weights))  # save_file raises no OSError
        write_json(new / _RECORD, record)


def load_checkpoint(device: torch.device, folder: Path = FOLDER) -> Checkpoint:
    """Read a checkpoint and rebuild its network on `device`, in eval mode."""
    record = read_json(folder / _RECORD)
    record["info"] = DatasetInfo.from_json(record["info"])
    network = build_network(record["architecture"], record["info"], record["options"])
    network.load_state_dict(load((folder / _WEIGHTS).read_bytes()))
    return Checkpoint(network.to(device).eval(), **record)
