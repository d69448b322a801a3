"""The initial network: its standardising layer, and weights from a file."""

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
    """The mean and the standard deviation of each channel, for the standardising layer.

    Args:
        standardize: `model.standardize` in `params.yaml`.
        info: Has the number of channels, and the statistics of the training split.

    Raises:
        UserError: The number of given statistics differs from the number of channels.
    """
    if standardize == "training":
        return Statistics(info.mean, info.std)
    if standardize == "none":
        return Statistics((0.0,) * info.channels, (1.0,) * info.channels)
    mean, std = tuple(standardize["mean"]), tuple(standardize["std"])
    if len(mean) != info.channels:
        raise UserError(
            f"model.standardize: needs one number per channel, so {info.channels} "
            f"(got {len(mean)}); change it, or preprocess.color"
        )
    return Statistics(mean, std)


def load_weights(network: nn.Sequential, file: Path, skip: Sequence[str]) -> None:
    """Load weights into a network from `build_network`.

    Names in the file are as published, `conv1.weight`, or as in `data/model`, `1.conv1.weight`. In
    the second case, the standardising layer that the file contains as well is ignored.

    Args:
        network: Changed in place.
        file: A .safetensors file.
        skip: Patterns of names; matching entries are not loaded and keep their fresh values.

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
                f"model.skip_weights: {pattern} matches no entry of {file} or of the network; "
                f"entries are {_listed(list(wanted))}"
            )
    entries, wanted = (_without(skip, all_entries) for all_entries in (entries, wanted))
    _require_fit(entries, wanted, file)
    target.load_state_dict(entries, strict=False)  # missing entries are skipped ones
    _report_other_standardization(stored, network.state_dict(), file)


def _read(file: Path) -> dict[str, Tensor]:
    try:
        return load(file.read_bytes())
    except OSError as error:  # a folder, or a file that DVC has not restored yet
        reason = error.strerror or error
        raise UserError(
            f"{file}: cannot be read: {reason}; run dvc checkout, or dvc pull"
        ) from None
    except MemoryError:
        raise
    except Exception as error:  # a damaged header can raise any exception
        reason = shortened(str(error))
        raise UserError(
            f"{file}: not a .safetensors file, or damaged: {reason}; write it again"
        ) from None


def _without_wrappers(entries: Entries, wanted: Entries) -> dict[str, Tensor]:
    """Entries under their published names, without `1.` for each layer that we put in front."""

    def n_known(prefix: str) -> int:
        return sum(name.startswith(prefix) and name[len(prefix) :] in wanted for name in entries)

    prefix = max(("", "1.", "1.1."), key=n_known)
    if prefix:
        entries = {k: v for k, v in entries.items() if k not in ("0.mean", "0.scale")}
    return {name.removeprefix(prefix): tensor for name, tensor in entries.items()}


def _report_other_standardization(stored: Entries, network: Entries, file: Path) -> None:
    """Print a note if the weights were trained on pixels with another standardisation."""
    layer = {name: stored.get(name, network[name]).flatten() for name in ("0.mean", "0.scale")}
    if any(not _is_float(values) or len(values) not in (1, 3) for values in layer.values()):
        return  # not from a standardising layer like ours
    layer = {name: values.float() for name, values in layer.items()}
    if any(not torch.allclose(layer[name], network[name].flatten()) for name in layer):
        mean, std = layer["0.mean"] / 255, 1 / layer["0.scale"] / 255
        numbers = (", ".join(f"{value:.9g}" for value in values.tolist()) for values in (mean, std))
        given = "{{mean: [{}], std: [{}]}}".format(*numbers)
        print(f"{file}: was trained with another model.standardize: {given}")


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
        if not name.endswith("num_batches_tracked")  # old files lack it; it starts from 0
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
    """Whether PyTorch can convert the tensor to float32; it cannot convert packed 4-bit floats."""
    return tensor.is_floating_point() and tensor.dtype != torch.float4_e2m1fn_x2
