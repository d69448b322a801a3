"""Rejects data that no classifier can be trained on."""

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.base.errors.user import UserError
from stages.datasets.base.contract import Dataset, RawImages


def require_sound(dataset: Dataset) -> None:
    """Reject data that no classifier can be trained on, whatever the data set.

    Raises:
        UserError: There are fewer than two classes, classes or images that share a name, images
            without a label or name, labels outside the classes, classes without training images,
            or arrays of the wrong type or shape.
    """
    names = dataset.class_names
    if len(names) < 2:
        raise UserError(
            f"data: number of classes must be at least 2 (got {len(names)}); add another class"
        )
    duplicates = [name for name, count in Counter(names).items() if count > 1]
    if duplicates:
        raise UserError(f"data: class names must differ (got {duplicates[0]!r} twice); rename one")
    _require_valid_labels("train", dataset.train, len(names))
    if dataset.test is not None:
        _require_valid_labels("test", dataset.test, len(names))
    missing = np.setdiff1d(np.arange(len(names)), dataset.train.labels)
    if len(missing):
        listed = ", ".join(names[label] for label in missing[:10])
        more = f" and {len(missing) - 10:,} more" if len(missing) > 10 else ""
        raise UserError(
            f"data: no training images of {listed}{more}; add some or remove these classes"
        )


def _require_valid_labels(split: str, labelled: RawImages, n_classes: int) -> None:
    images, labels, names = labelled
    if not isinstance(labels, np.ndarray) or labels.dtype.kind not in "iu" or labels.ndim != 1:
        raise UserError(
            f"data: {split} labels must be an array (n,) of integers (got {_kind(labels)}); "
            "fix read() of the data set"
        )
    if len(labels) != len(images):
        raise UserError(
            f"data: {len(images)} {split} images but {len(labels)} labels; each image needs a label"
        )
    first = images[0] if len(images) else None
    if first is not None and not _is_image(first):
        raise UserError(
            f"data: {split} images must be arrays (1 or 3, height, width) in uint8 (the first is "
            f"{_kind(first)}); fix read() of the data set"
        )
    outside = labels[(labels < 0) | (labels >= n_classes)]
    if len(outside):
        raise UserError(
            f"data: {split} labels must be 0 … {n_classes - 1} for {n_classes} classes "
            f"({len(outside)} are not, such as {outside[0]}); fix the labels"
        )
    if names is not None:
        _require_valid_names(split, np.asarray(names), len(images))


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


def _is_image(image: Any) -> bool:
    return (
        isinstance(image, np.ndarray)
        and image.dtype == np.uint8
        and image.ndim == 3
        and image.shape[0] in (1, 3)
        and image.size > 0
    )


def _kind(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype} of shape {value.shape}"
    return type(value).__name__
