"""Where training starts: what the first layer does, and weights from a file."""

from collections.abc import Collection, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import torch
from safetensors.torch import load
from torch import Tensor, nn

from stages.artifacts.splits import DatasetInfo
from stages.base.errors.user import UserError, shortened
from stages.networks.build import Statistics, as_published
from stages.params.model import Standardization

MOST_LISTED = 10

Entries = Mapping[str, Tensor]


def first_layer(standardize: Standardization, info: DatasetInfo) -> Statistics:
    """The mean and the standard deviation of each channel that the first layer standardises by.

    Args:
        standardize: As `model.standardize` in `params.yaml`.
        info: The images' channels, and the statistics of the training split.

    Raises:
        UserError: There are not as many statistics as the images have channels.
    """
    if standardize == "training":
        return Statistics(info.mean, info.std)
    if standardize == "none":
        return Statistics((0.0,) * info.channels, (1.0,) * info.channels)
    mean, std = tuple(standardize["mean"]), tuple(standardize["std"])
    if len(mean) != info.channels:
        raise UserError(
            f"model.standardize: needs as many numbers as the images have channels, "
            f"{info.channels} (got {len(mean)}); change them, or preprocess.color"
        )
    return Statistics(mean, std)


def load_weights(network: nn.Sequential, file: Path, skip: Sequence[str]) -> None:
    """Load weights into a network that `build_network` made.

    Their names are those of the network alone, `conv1.weight`, or those that `data/model` has,
    `1.conv1.weight`: then the first layer that the file holds as well is left out.

    Args:
        network: Changed in place.
        file: A .safetensors file.
        skip: Patterns of names that are left out of the file and of the network.

    Raises:
        UserError: The file is damaged, a pattern matches nothing, or names or shapes differ.
    """
    target = as_published(network)
    wanted = target.state_dict()
    stored = _read(file)
    entries = _without_wrappers(stored, wanted)
    for pattern in skip:
        if not any(fnmatchcase(name, pattern) for name in entries.keys() | wanted.keys()):
            raise UserError(
                f"model.skip_weights: {pattern} matches no entry of {file} and of the network; "
                f"entries are {_listed(list(wanted))}"
            )
    entries, wanted = (_without(skip, some) for some in (entries, wanted))
    _require_fit(entries, wanted, file)
    target.load_state_dict(entries, strict=False)  # what is missing was skipped
    _tell_of_another_first_layer(stored, network.state_dict(), file)


def _read(file: Path) -> dict[str, Tensor]:
    try:
        return load(file.read_bytes())
    except OSError as error:  # a folder, or what DVC has not put there yet
        reason = error.strerror or error
        raise UserError(
            f"{file}: cannot be read: {reason}; run dvc checkout, or dvc pull"
        ) from None
    except MemoryError:
        raise
    except Exception as error:  # a damaged header leads to errors of any kind
        reason = shortened(str(error))
        raise UserError(
            f"{file}: not a .safetensors file, or damaged: {reason}; write it again"
        ) from None


def _without_wrappers(entries: Entries, wanted: Entries) -> dict[str, Tensor]:
    """Entries under the names of the network alone: `1.` less for each layer put around it."""

    def n_known(prefix: str) -> int:
        return sum(name.startswith(prefix) and name[len(prefix) :] in wanted for name in entries)

    prefix = max(("", "1.", "1.1."), key=n_known)
    if prefix:
        entries = {k: v for k, v in entries.items() if k not in ("0.mean", "0.scale")}
    return {name.removeprefix(prefix): tensor for name, tensor in entries.items()}


def _tell_of_another_first_layer(stored: Entries, network: Entries, file: Path) -> None:
    """Weights that saw other pixels in training may not do well on these; say it."""
    layer = {name: stored.get(name, network[name]).flatten() for name in ("0.mean", "0.scale")}
    if any(not _is_float(values) or len(values) not in (1, 3) for values in layer.values()):
        return  # not of a first layer like ours
    layer = {name: values.float() for name, values in layer.items()}
    if any(not torch.allclose(layer[name], network[name].flatten()) for name in layer):
        mean, std = layer["0.mean"] / 255, 1 / layer["0.scale"] / 255
        numbers = (", ".join(f"{value:.9g}" for value in values.tolist()) for values in (mean, std))
        given = "{{mean: [{}], std: [{}]}}".format(*numbers)
        print(f"{file}: was trained with model.standardize: {given}, not with what it is here")


def _without(patterns: Sequence[str], entries: Entries) -> dict[str, Tensor]:
    return {
        name: tensor
        for name, tensor in entries.items()
        if not any(fnmatchcase(name, pattern) for pattern in patterns)
    }


def _require_fit(entries: Entries, wanted: Entries, file: Path) -> None:
    missing = [
        name
        for name in wanted.keys() - entries.keys()
        if not name.endswith("num_batches_tracked")  # old files lack it, and PyTorch counts anew
    ]
    unexpected = entries.keys() - wanted.keys()
    differing = [
        f"{name} ({_kind(entries[name])}, the network's is {_kind(wanted[name])})"
        for name in entries.keys() & wanted.keys()
        if entries[name].shape != wanted[name].shape
        or _is_float(entries[name]) != _is_float(wanted[name])
    ]
    kinds = {"missing": missing, "unexpected": unexpected, "differing": differing}
    lines = [f"\n  {kind}: {_listed(sorted(names))}" for kind, names in kinds.items() if names]
    if lines:
        raise UserError(
            f"{file}: does not fit the network:{''.join(lines)}\n  choose the model.architecture "
            "and model.options that it was trained with, or leave entries out with "
            "model.skip_weights"
        )


def _listed(names: Collection[str]) -> str:
    more = f" and {len(names) - MOST_LISTED:,} more" if len(names) > MOST_LISTED else ""
    return ", ".join(map(shortened, list(names)[:MOST_LISTED])) + more


def _kind(tensor: Tensor) -> str:
    shape = "×".join(map(str, tensor.shape)) or "a number"
    return shape if _is_float(tensor) else f"{shape} in {tensor.dtype}"


def _is_float(tensor: Tensor) -> bool:
    """Of a type that PyTorch can convert to float32; packed 4-bit floats do not count."""
    return tensor.is_floating_point() and tensor.dtype != torch.float4_e2m1fn_x2
