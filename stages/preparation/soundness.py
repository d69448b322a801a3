"""Rejects data that no classifier can be trained on."""

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.artifacts.splits import occurs
from stages.base.errors.user import UserError
from stages.datasets.base.contract import MOST_CHANNELS, Dataset, RawImages


def require_sound(dataset: Dataset, multiple: bool = False) -> None:
    """Reject data that no classifier can be trained on, whatever the data set.

    Args:
        dataset: What to check.
        multiple: Whether an image may have several labels.

    Raises:
        UserError: There are fewer than two classes, classes or images that share a name, images
            without a label or name, labels outside the classes, classes without training images
            that the user did not name, or arrays of the wrong type or shape.
    """
    names = dataset.class_names
    what = "labels" if multiple else "classes"
    if len(names) < 2:
        more = "another; a single label is data.labels: single with two classes"
        raise UserError(
            f"data: number of {what} must be at least 2 (got {len(names)}); add "
            f"{more if multiple else 'another class'}"
        )
    duplicates = [name for name, count in Counter(names).items() if count > 1]
    if duplicates:
        raise UserError(f"data: class names must differ (got {duplicates[0]!r} twice); rename one")
    splits = {"train": dataset.train, "validation": dataset.validation, "test": dataset.test}
    for split, labelled in splits.items():
        if labelled is not None:
            _require_images(split, labelled)
            (_require_several_labels if multiple else _require_classes)(split, labelled, len(names))
    missing = np.flatnonzero(~occurs(dataset.train.labels, len(names)))
    if len(missing) and not dataset.absent_classes:
        listed = ", ".join(names[label] for label in missing[:10])
        more = f" and {len(missing) - 10:,} more" if len(missing) > 10 else ""
        raise UserError(
            f"data: no training images of {listed}{more}; add some or remove these {what}"
        )


def _require_images(split: str, labelled: RawImages) -> None:
    images, labels, names = labelled.images, labelled.labels, labelled.names
    if not isinstance(labels, np.ndarray) or labels.dtype.kind not in "iu":
        raise UserError(
            f"data: {split} labels must be an array (n,) of integers (got {_kind(labels)}); "
            "fix read() of the data set"
        )
    if len(labels) != len(images):
        raise UserError(
            f"data: {len(images)} {split} images but {len(labels)} labels; each image needs a label"
        )
    first = images[0] if len(images) else None
    if first is not None and not _is_image(first, labelled.ranges is not None):
        raise UserError(
            f"data: {split} images must be arrays (channels, height, width) in uint8 with 1 to "
            f"{MOST_CHANNELS} channels (the first is {_kind(first)}); fix read() of the data set"
        )
    if names is not None:
        _require_valid_names(split, np.asarray(names), len(images))


def _require_classes(split: str, labelled: RawImages, n_classes: int) -> None:
    labels = labelled.labels
    if labels.ndim != 1:
        raise UserError(
            f"data: {split} labels must be an array (n,) of integers (got {_kind(labels)}); "
            "fix read() of the data set, or set data.labels: multiple for labels (n, k) of 0 and 1"
        )
    outside = labels[(labels < 0) | (labels >= n_classes)]
    if len(outside):
        raise UserError(
            f"data: {split} labels must be 0 … {n_classes - 1} for {n_classes} classes "
            f"({len(outside)} are not, such as {outside[0]}); fix the labels"
        )


def _require_several_labels(split: str, labelled: RawImages, n_labels: int) -> None:
    labels = labelled.labels
    if labels.ndim == 1:
        raise UserError(
            "data.labels: multiple needs several labels an image, but this data set has one class "
            "for each; set data.labels: single"
        )
    if labels.shape[1:] != (n_labels,) or not np.isin(labels, (0, 1)).all():
        raise UserError(
            f"data: {split} labels must be 0 and 1 for each of {n_labels} labels (got "
            f"{_kind(labels)}); fix the labels"
        )


def _require_valid_names(split: str, names: NDArray[Any], n_images: int) -> None:
    if names.shape != (n_images,) or names.dtype.kind not in "Uiu":
        raise UserError(
            f"data: names of the {split} images must be {n_images:,} strings or integers (got "
            f"{names.dtype} of shape {names.shape}); fix the data set's file"
        )
    different, counts = np.unique(names, return_counts=True)
    if len(different) < n_images:
        raise UserError(
            f"data: names of the {split} images must differ (got {str(different[counts > 1][0])!r} "
            "twice); fix the data set's file, or omit its names"
        )


def _is_image(image: Any, deep: bool) -> bool:
    return (
        isinstance(image, np.ndarray)
        and (image.dtype == np.uint8 or (deep and image.dtype.kind in "iuf"))
        and image.ndim == 3
        and image.shape[0] <= MOST_CHANNELS
        and image.size > 0
    )


def _kind(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype} of shape {value.shape}"
    return type(value).__name__
