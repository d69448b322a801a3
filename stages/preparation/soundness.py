"""Rejects data that no classifier can be trained on."""

from collections import Counter

import numpy as np

from stages.core.errors import UserError
from stages.datasets.base.contract import Dataset, RawImages


def require_sound(dataset: Dataset) -> None:
    """Reject data that no classifier can be trained on, whichever data set it comes from.

    Raises:
        UserError: There are fewer than two classes, two of one name, a label that names no
            class, or a class without a training image.
    """
    names = dataset.class_names
    if len(names) < 2:
        raise UserError(f"data: {len(names)} class, expected at least 2; add images of another")
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
        raise UserError(f"data: no training image of {listed}{more}; add some or remove the class")


def _require_valid_labels(split: str, pairs: RawImages, n_classes: int) -> None:
    labels = pairs.labels
    if len(labels) != len(pairs.images):
        raise UserError(f"data: {len(pairs.images)} {split} images, {len(labels)} labels")
    outside = labels[(labels < 0) | (labels >= n_classes)]
    if len(outside):
        raise UserError(
            f"data: {len(outside)} {split} labels, such as {outside[0]}, name none of the "
            f"{n_classes} classes 0 … {n_classes - 1}; fix the labels"
        )
