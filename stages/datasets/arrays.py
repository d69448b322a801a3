"""Your own arrays: `data.source` is the path of an `.npz` file.

It contains images and labels of the training split, and optionally of a test and a validation
split; preprocess splits off those that are missing. An array is named by what it holds and its
split, in any order, in capitals or not: `x_train` and `y_train`, `train_images` and `train_labels`,
`X_TRAIN` and `Y_TRAIN`; see `ROLES` and `SPLIT_OF`. `x` and `y` without splits are read, too.

Images are uint8: (n, height, width), (n, height, width, c) or (n, c, height, width) with 1 to 13
channels. Labels are those of `base/labels.py`; with `data.labels: multiple`, 0 and 1 for each label
(n, k). `class_names` optionally has a string for each class or label. Pickled objects are never
loaded.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.base.errors.user import UserError
from stages.datasets.base import stored
from stages.datasets.base.contract import MOST_CHANNELS, Dataset, Origin, RawImages
from stages.datasets.base.labels import classes_of, is_text, several_labels
from stages.datasets.base.npz import Content, load_arrays
from stages.datasets.base.split_names import SPLIT_OF

SEVERAL_LABELS = True
CLASS_NAMES = "class_names"
ROLES = {
    **dict.fromkeys(("x", "image", "images", "data"), "images"),
    **dict.fromkeys(("y", "label", "labels", "target", "targets"), "labels"),
}
EXAMPLES = {"images": "x_{0} or {0}_images", "labels": "y_{0} or {0}_labels"}
EXPECTED = (
    "uint8 (n, height, width), (n, height, width, channels) or (n, channels, height, width) with "
    f"1 to {MOST_CHANNELS} channels"
)

_ROLE, _SPLIT = (f"({'|'.join(words)})" for words in (ROLES, SPLIT_OF))
_ROLE_FIRST, _SPLIT_FIRST = re.compile(f"{_ROLE}_?{_SPLIT}"), re.compile(f"{_SPLIT}_?{_ROLE}")

read = stored.read


class Part(NamedTuple):
    """What an array holds: `images` or `labels`, of a split; "" if it is not split."""

    role: str
    split: str


def fetch(origin: Origin, folder: Path, *, labels_from: Literal[0, 1] = 0) -> str:
    """Check the arrays and store them in the pipeline's format.

    Args:
        origin: Has the user's file, and whether an image may have several labels.
        folder: Destination.
        labels_from: Number of the first class: 1 for labels from MATLAB.

    Returns:
        Name of the user's file, without `.npz`.
    """
    content = load_arrays(origin.source, lambda name: bool(_part(name)) or _names_classes(name))
    errors: list[str] = []
    arrays = content.arrays
    found = _found(content, errors)
    images = {
        part.split: _images(name, arrays[name], errors)
        for part, name in found.items()
        if part.role == "images"
    }
    labels, class_names = _labels(origin, arrays, found, labels_from, errors)
    for split in images.keys() & labels.keys():
        n_images, n_labels = len(images[split]), len(labels[split])
        if not errors and n_images != n_labels:
            errors.append(
                f"{found[Part('images', split)]} has {n_images:,} images but "
                f"{found[Part('labels', split)]} {n_labels:,} labels; expected one for each image"
            )
    if errors:
        lines = "\n".join(f"  {error}" for error in errors)
        raise UserError(f"{origin.source}: cannot be used as dataset arrays:\n{lines}")
    train, validation, test = (
        RawImages(images[split], labels[split]) if split in images else None
        for split in stored.SPLITS
    )
    assert train is not None  # else there are errors
    stored.store(folder, Dataset(train, test, class_names, validation=validation))
    return origin.source.stem


def _part(name: str) -> Part | None:
    """What an array of this name holds; None if it is none of ours."""
    name = name.lower()
    if match := _ROLE_FIRST.fullmatch(name):
        return Part(ROLES[match[1]], SPLIT_OF[match[2]])
    if match := _SPLIT_FIRST.fullmatch(name):
        return Part(ROLES[match[2]], SPLIT_OF[match[1]])
    return Part(ROLES[name], "") if name in ROLES else None


def _names_classes(name: str) -> bool:
    return name.lower() == CLASS_NAMES


def _found(content: Content, errors: list[str]) -> dict[Part, str]:
    """Names of the arrays by what they hold, the training split first."""
    parts = {name: part for name in content.arrays if (part := _part(name))}
    is_split = any(part.split for part in parts.values())
    found: dict[Part, str] = {}
    for name, part in parts.items():
        if is_split and not part.split:
            continue
        part = part if is_split else Part(part.role, "train")
        if part in found:
            errors.append(
                f"{found[part]} and {name} are both the {part.role} of the {part.split} split; "
                "remove one"
            )
        found[part] = name
    splits = {"train", *(part.split for part in found)}
    for split in stored.SPLITS:
        for role, example in EXAMPLES.items():
            if split in splits and Part(role, split) not in found:
                listed = ", ".join(content.names) or "nothing"
                errors.append(f"{example.format(split)} is missing; the file contains {listed}")
    return dict(sorted(found.items(), key=lambda item: stored.SPLITS.index(item[0].split)))


def _images(name: str, array: NDArray[Any], errors: list[str]) -> NDArray[np.uint8]:
    """Images as (n, c, h, w)."""
    axis = _channel_axis(array.shape)
    if array.dtype != np.uint8:
        errors.append(
            f"{name} is {array.dtype}, expected {EXPECTED}; scale the values to 0 … 255 and "
            "convert them with .astype(numpy.uint8)"
        )
    elif axis is None or not len(array):
        errors.append(f"{name} has shape {array.shape}, expected {EXPECTED}, n at least 1")
    elif array.ndim == 3:
        return array[:, None]
    else:
        return np.ascontiguousarray(np.moveaxis(array, axis, 1))
    return np.empty((0, 1, 0, 0), np.uint8)


def _channel_axis(shape: Sequence[int]) -> int | None:
    """The axis of the channels, or where it would be; None if no axis can be it.

    The last or the second: the one with 1 or 3 entries, else the shorter one, the last if both are
    equal.
    """
    if len(shape) == 3:
        return 1
    if len(shape) != 4:
        return None
    axes = [axis for axis in (3, 1) if 1 <= shape[axis] <= MOST_CHANNELS]
    return min(axes, key=lambda axis: (shape[axis] not in (1, 3)) * shape[axis], default=None)


def _labels(
    origin: Origin,
    arrays: Mapping[str, NDArray[Any]],
    found: Mapping[Part, str],
    labels_from: int,
    errors: list[str],
) -> tuple[dict[str, NDArray[np.int64]], tuple[str, ...]]:
    """Labels by split, and the names of the classes or labels."""
    names = {part.split: name for part, name in found.items() if part.role == "labels"}
    given = _class_names(arrays, errors)
    if "train" not in names:
        return {}, ()
    if origin.multiple:
        several = {split: several_labels(n, arrays[n], errors) for split, n in names.items()}
        return several, given or tuple(map(str, range(several["train"].shape[1])))
    its_labels = {name: arrays[name] for name in names.values()}
    numbers, class_names = classes_of(its_labels, given, labels_from, errors)
    return {split: numbers[name] for split, name in names.items()}, class_names


def _class_names(arrays: Mapping[str, NDArray[Any]], errors: list[str]) -> tuple[str, ...] | None:
    """The given names of the classes; None if there are none."""
    names = next((array for name, array in arrays.items() if _names_classes(name)), None)
    if names is None:
        return None
    if names.ndim != 1 or names.dtype.kind != "U":
        errors.append(f"class_names is {names.dtype} of shape {names.shape}, expected strings (k,)")
    elif not is_text(names):
        errors.append("class_names contains invalid Unicode")
    else:
        return tuple(map(str, names))
    return None
