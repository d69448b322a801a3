"""The trained network, `data/model`: train writes it, later stages load it.

If the network came from a file, `data/model` has a copy of it: the weights are those of training.

This artifact is here and not in `stages/artifacts/`, since loading it builds a network.
"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter, ValidationError
from safetensors.torch import load, save
from torch import Tensor

from stages.artifacts.splits import DatasetInfo
from stages.base.errors.user import UserError, shortened
from stages.base.files.atomic import new_folder
from stages.base.files.formats import write_json
from stages.base.tracking.plugins import file_suffix, plugin_names
from stages.networks.build import Classifier, build_network

FOLDER = Path("data/model")
_WEIGHTS, _RECORD, _NETWORK = "weights.safetensors", "network.json", "network"


@dataclass(frozen=True)
class Checkpoint:
    """A trained network, and everything needed to rebuild it.

    Attributes:
        network: Maps raw images (n, c, h, w) to logits (n, k).
        architecture: Name of a file in `stages/architectures/`.
        options: Keyword arguments of `build` in that file.
        info: The data set that the network was trained on.
        parameters: Parameters of all stages up to train, by section of `params.yaml`.
    """

    network: Classifier
    architecture: str
    options: Mapping[str, Any]
    info: DatasetInfo
    parameters: Mapping[str, Any]


@dataclass(frozen=True)
class _Record:
    """A `Checkpoint` without the network."""

    architecture: str
    options: Mapping[str, Any]
    info: DatasetInfo
    parameters: Mapping[str, Any]


def save_checkpoint(checkpoint: Checkpoint, folder: Path = FOLDER) -> None:
    """Write the weights as safetensors, the rest as JSON, and the file that is the network."""
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
        if suffix := file_suffix(checkpoint.architecture):
            shutil.copyfile(checkpoint.network.file, new / f"{_NETWORK}{suffix}")


def load_checkpoint(device: torch.device, folder: Path = FOLDER) -> Checkpoint:
    """Load a checkpoint, with its network on `device` and in eval mode.

    Raises:
        UserError: A file is damaged, or does not fit the network's code; names it.
    """
    record = _read_record(folder / _RECORD)
    suffix = file_suffix(record.architecture)
    file = folder / f"{_NETWORK}{suffix}" if suffix else None
    network = build_network(record.architecture, record.info, record.options, network_file=file)
    network.load_state_dict(_read_weights(folder / _WEIGHTS, network.state_dict()))
    return Checkpoint(network.to(device).eval(), **vars(record))


def _read_record(file: Path) -> _Record:
    try:
        record = TypeAdapter(_Record).validate_json(file.read_bytes(), strict=True)
    except ValidationError as error:
        details = error.errors()[0]
        reason = ": ".join([*map(str, details["loc"]), details["msg"]])
        raise _damaged(file, reason) from None
    if record.architecture not in plugin_names("architectures"):
        raise _damaged(file, f"architecture is {shortened(record.architecture)!r}")
    return record


def _read_weights(file: Path, wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    try:
        stored = load(file.read_bytes())
    except (OSError, MemoryError):
        raise
    except Exception as error:  # a damaged header can raise any exception
        raise _damaged(file, shortened(str(error))) from None
    for name in sorted(stored.keys() | wanted.keys()):
        descriptions = [
            f"{tensor.dtype} of shape {tuple(tensor.shape)}" if tensor is not None else "missing"
            for tensor in (stored.get(name), wanted.get(name))
        ]
        if descriptions[0] != descriptions[1]:
            difference = f"{descriptions[0]}, in the network {descriptions[1]}"
            raise _damaged(file, f"{shortened(name)} is {difference}")
    return stored


def _damaged(file: Path, reason: str) -> UserError:
    return UserError(
        f"{file}: damaged, or from another version of the code: {reason}; run dvc checkout "
        f"{file.parent}, or dvc repro"
    )
