"""The initial network: its standardising layer, and weights from a file."""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import torch
from torch import Tensor, nn

from stages.artifacts.splits import DatasetInfo
from stages.base.errors.user import UserError
from stages.networks.build import Classifier, Statistics, as_published, build_network
from stages.params.model import WEIGHTS, Model, Standardization
from stages.training.initial.weight_files import Entries, read_weights
from stages.training.initial.weight_names import listed, published_entries, without


def initial_network(model: Model, info: DatasetInfo) -> Classifier:
    """The network that `model` describes, with its weights from a file, or with fresh ones.

    Args:
        model: Section `model` of `params.yaml`.
        info: Has the shape of images, and the classes.

    Raises:
        UserError: The network does not fit the images, or the weights do not fit the network.
    """
    statistics = first_layer(model.standardize, info)
    file = model.network_file
    network = build_network(model.architecture, info, model.options, statistics, file)
    if model.weights is not None and file is None:
        load_weights(network, WEIGHTS / model.weights, model.skip_weights)
    return network


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

    Names in the file are as published, `conv1.weight`, perhaps with a prefix, as wrappers add it,
    or as in `data/model`, `1.conv1.weight`. In that case, the standardising layer that the file
    contains as well is ignored.

    Args:
        network: Changed in place.
        file: As `read_weights` accepts it.
        skip: Patterns of names; matching entries are not loaded and keep their fresh values.

    Raises:
        UserError: The file is unusable, a pattern matches nothing, or names or shapes differ.
    """
    target = as_published(network)
    wanted = target.state_dict()
    stored = read_weights(file)
    entries = published_entries(stored, wanted.keys(), skip, file)
    in_file = {f"{path}{name}" for path, dictionary in stored.items() for name in dictionary}
    for pattern in skip:
        if not any(fnmatchcase(name, pattern) for name in in_file | entries.keys() | wanted.keys()):
            raise UserError(
                f"model.skip_weights: {pattern} matches no entry of {file} or of the network; "
                f"entries are {listed(list(wanted))}"
            )
    entries, wanted = (without(skip, all_entries) for all_entries in (entries, wanted))
    _require_fit(entries, wanted, file)
    target.load_state_dict(entries, strict=False)  # missing entries are skipped ones
    _report_other_standardization(stored.get("", {}), network.state_dict(), file)


def _report_other_standardization(stored: Entries, network: Entries, file: Path) -> None:
    """Print a note if the weights were trained on pixels with another standardisation."""
    layer = {name: stored.get(name, network[name]) for name in ("0.mean", "0.scale")}
    known = (*layer.values(), network["0.mean"])
    if any(not _is_float(values) or values.numel() not in (1, 3) for values in known):
        return  # not from a standardising layer like ours, or not for pictures
    layer = {name: values.flatten().float() for name, values in layer.items()}
    if any(not torch.allclose(layer[name], network[name].flatten()) for name in layer):
        mean, std = layer["0.mean"] / 255, 1 / layer["0.scale"] / 255
        numbers = (", ".join(f"{value:.9g}" for value in values.tolist()) for values in (mean, std))
        given = "{{mean: [{}], std: [{}]}}".format(*numbers)
        print(f"{file}: was trained with another model.standardize: {given}")


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
        or entries[name].is_complex() != wanted[name].is_complex()
    ]
    kinds = {"missing": missing, "unexpected": unexpected, "differing": differing}
    lines = [f"\n  {kind}: {listed(sorted(names))}" for kind, names in kinds.items() if names]
    if lines:
        raise UserError(
            f"{file}: does not fit the network:{''.join(lines)}\n  choose the model.architecture "
            "and model.options that it was trained with, or leave entries out with "
            "model.skip_weights"
        )


def _kind(tensor: Tensor) -> str:
    shape = "×".join(map(str, tensor.shape)) or "a number"
    return shape if _is_float(tensor) else f"{shape} in {tensor.dtype}"


def _is_float(tensor: Tensor) -> bool:
    """Whether PyTorch can convert the tensor to float32; it cannot convert packed 4-bit floats."""
    return tensor.is_floating_point() and tensor.dtype != torch.float4_e2m1fn_x2
