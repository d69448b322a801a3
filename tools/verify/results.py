"""Checks the arrays of splits, predictions, the network and its measures."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from stages.artifacts import (
    explanation,
    measurements,
    portable,
    predictions,
    shortcuts,
    splits,
)
from stages.artifacts.measurements import Measurements
from stages.artifacts.portable import PortableNetwork
from stages.artifacts.splits import DatasetInfo, load_info
from stages.base.errors.user import UserError, reason_of
from stages.base.files.formats import read_json
from tools.verify.arrays import (
    Array,
    Damage,
    opened,
    require_equal,
    require_finite,
    require_probabilities,
    require_within,
)

SPLITS = ("train", "validation", "test")


class Split(NamedTuple):
    """The arrays of one split, memory-mapped."""

    images: Array
    labels: Array
    names: Array


def described(path: Path) -> dict[str, Any]:
    """The content of an artifact's JSON file.

    Raises:
        Damage: The file cannot be read.
    """
    try:
        return read_json(path)
    except (OSError, ValueError) as error:
        raise Damage(f"{path}: {reason_of(error)}; expected a JSON object") from None


def opened_labels(path: Path, n: int, n_classes: int, multiple: bool) -> Array:
    """The true classes (n,) of n images or, with several labels an image, 0 and 1 for each (n, k).

    Raises:
        Damage: The array has another shape or type, or values outside the classes.
    """
    labels = opened(path, "int64", (n, n_classes) if multiple else (n,))
    require_within(path, labels, 2 if multiple else n_classes)
    return labels


def check_splits(folder: Path = splits.FOLDER) -> tuple[DatasetInfo, Mapping[str, Split]]:
    """Check images, labels and names of each split against each other and the parameters.

    Raises:
        Damage: An array is wrong.
    """
    described(folder / "dataset.json")
    info = load_info(folder)
    found = {}
    for split in SPLITS:
        images, labels, names = (folder / f"{split}_{part}.npy" for part in Split._fields)
        shape = (None, info.channels, *info.image_size)
        its_images = opened(images, "uint8", shape)
        n = len(its_images)
        its_labels = opened_labels(labels, n, len(info.class_names), info.multiple)
        found[split] = Split(its_images, its_labels, opened(names, "str int64", (n,)))
    limit = info.parameters["preprocess"]["limit"]
    for parts in (("train", "validation"), ("test",)):
        n = sum(len(found[part].labels) for part in parts)
        if limit is not None and n > limit:
            raise Damage(
                f"{folder}/{parts[0]}_images.npy: {' and '.join(parts)} have {n:,} images, "
                f"expected at most {limit:,} (preprocess.limit)"
            )
    return info, found


def check_predictions(test: Split | None, folder: Path = predictions.FOLDER) -> None:
    """Check the test split's probabilities, labels and names.

    Args:
        test: The split; None if it is missing.
        folder: The predictions.

    Raises:
        Damage: An array is wrong.
    """
    about = described(folder / "predictions.json")
    path = folder / "probabilities.npy"
    probabilities = opened(path, "float32", (None, len(about["class_names"])))
    multiple = bool(about.get("multiple"))
    require_probabilities(path, probabilities, multiple)
    n = len(probabilities)
    labels = opened_labels(folder / "labels.npy", n, probabilities.shape[1], multiple)
    names = opened(folder / "names.npy", "str int64", (n,))
    if test is not None:
        require_equal(folder / "labels.npy", labels, "the test split", test.labels)
        require_equal(folder / "names.npy", names, "the test split", test.names)


def check_network(info: DatasetInfo | None) -> None:
    """Check that the weights fit the network of the parameters and are finite.

    Args:
        info: The description of the splits; None if they are missing.

    Raises:
        Damage: The weights cannot be loaded, or one is not finite.
    """
    import torch  # here, because the import takes seconds and no other check needs it

    from stages.networks import checkpoint

    path = checkpoint.FOLDER / "weights.safetensors"
    described(checkpoint.FOLDER / "network.json")
    try:
        loaded = checkpoint.load_checkpoint(torch.device("cpu"))
    except UserError as error:
        raise Damage(str(error)) from None
    for name, tensor in loaded.network.state_dict().items():
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            raise Damage(f"{path}: {name} has values that are not finite, expected numbers")
    if info is not None and info != loaded.info:
        raise Damage(
            f"{checkpoint.FOLDER}/network.json: it was trained on other data than that of "
            f"{splits.FOLDER}/dataset.json"
        )


def check_portable(folder: Path = portable.FOLDER) -> None:
    """Check that the arrays are those that the operations name, and finite.

    Raises:
        Damage: An array is wrong.
    """
    from safetensors import SafetensorError

    path = folder / "arrays.safetensors"
    described(folder / "network.json")
    try:
        network = PortableNetwork.load(folder)
    except (SafetensorError, OSError, KeyError) as error:
        raise Damage(f"{path}: {reason_of(error)}; expected arrays") from None
    named = {name for item in network.operations for name in item["arrays"].values()}
    if named != network.arrays.keys():
        other = sorted(named ^ network.arrays.keys())
        raise Damage(f"{path}: {', '.join(other)} is not in both, expected what network.json names")
    for name, array in network.arrays.items():
        if array.dtype != np.float32 or not np.isfinite(array).all():
            raise Damage(f"{path}: {name} ({array.dtype}), expected finite numbers in float32")


def check_measurements(indices: Array | None, folder: Path = measurements.FOLDER) -> None:
    """A row for each method and explained image.

    Args:
        indices: Positions of the explained images in the test split (n,); None if missing.
        folder: What to check.

    Raises:
        Damage: Something does not fit.
    """
    path = folder / "measures.csv"
    try:
        found = Measurements.load(folder)
        table = found.table
        measures = table[list(found.descriptions)].to_numpy(np.float64)
    except (ValueError, KeyError, OSError, TypeError) as error:
        raise Damage(
            f"{path}: {reason_of(error)}; expected a table of the measures that about.json "
            "describes"
        ) from None
    if np.isinf(measures).any():
        raise Damage(f"{path}: a measure is infinite, expected a number or none")
    if indices is None:
        return
    for method, rows in table.groupby("method", sort=False):
        if not np.isin(rows["index"], indices).all() or len(rows) > len(indices):
            raise Damage(
                f"{path}: {method} is measured on images {rows['index'].tolist()[:5]} …, expected "
                f"those of {explanation.FOLDER}/indices.npy"
            )


def check_shortcuts(folder: Path = shortcuts.FOLDER) -> None:
    """Check that the arrays of a search for shortcuts fit each other and are finite.

    Raises:
        Damage: An array is wrong.
    """
    about = described(folder / "about.json")
    n_found, n_groups = (len(about[table]["class"]) for table in ("findings", "strategies"))
    n_images = len(opened(folder / "indices.npy", "int64", (None,)))
    maps = opened(folder / "maps.npy", "float32", (n_images, None, None))
    require_finite(folder / "maps.npy", maps)
    opened(folder / "members.npy", "bool", (n_found, n_images))
    regions = opened(folder / "regions.npy", "float32", (n_found, None, None))
    require_finite(folder / "regions.npy", regions)
    opened(folder / "strategy_maps.npy", "float32", (n_groups, *maps.shape[1:]))
    predicted = opened(folder / "predicted.npy", "int64", (n_images,))
    require_within(folder / "predicted.npy", predicted, len(about["class_names"]))
    n_shown = len(opened(folder / "shown_rows.npy", "int64", (None,)))
    opened(folder / "shown_images.npy", "uint8", (n_shown, None, *regions.shape[1:]))
