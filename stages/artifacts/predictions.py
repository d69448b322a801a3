"""Predictions for the test split in `data/predictions`: evaluate writes them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.artifacts.splits import Names, has_label, is_predicted
from stages.base.files.arrays import load_npy, new_npy
from stages.base.files.atomic import new_folder
from stages.base.files.formats import read_json, write_json

FOLDER = Path("data/predictions")
ROWS_AT_ONCE = 100_000  # rows of probabilities converted and written at once, to save memory


@dataclass(frozen=True)
class Predictions:
    """The network's predictions for the whole test split: n images, k classes.

    Attributes:
        probabilities: Predicted class probabilities (n, k), saved as float32; each row sums to 1,
            unless an image may have several labels.
        labels: True classes (n,), int64; with several labels an image, (n, k) of 0 and 1.
        names: Names of the images in the data set (n,): strings or int64.
        class_names: Names of the k classes, in class order.
        metrics: Metrics by name, as in `metrics/evaluate.json`.
    """

    probabilities: NDArray[np.floating]
    labels: NDArray[np.int64]
    names: Names
    class_names: tuple[str, ...]
    metrics: Mapping[str, float]

    @property
    def predicted(self) -> NDArray[np.int64]:
        """The most probable class of each image (n,), int64."""
        return np.asarray(self.probabilities.argmax(axis=1), np.int64)

    @property
    def multiple(self) -> bool:
        """Whether an image may have several labels."""
        return self.labels.ndim == 2

    @property
    def is_true(self) -> NDArray[np.bool_]:
        """Whether each class is true of each image (n, k)."""
        return has_label(self.labels, len(self.class_names))

    @property
    def is_predicted(self) -> NDArray[np.bool_]:
        """Whether each class is predicted (n, k): the most probable one, or labels above 0.5."""
        return is_predicted(self.probabilities, self.multiple)

    @property
    def mistakes(self) -> NDArray[np.int64]:
        """Positions in the test split of all wrong predictions, the most confident first.

        With several labels an image, those with a wrong label, the furthest from the truth first.
        """
        if self.multiple:
            distances = np.abs(self.is_true - np.asarray(self.probabilities, np.float64))
            worst = np.where(self.is_true != self.is_predicted, distances, 0).max(axis=1)
            return np.argsort(-worst, kind="stable")[: np.count_nonzero(worst)]
        wrong = np.flatnonzero(self.predicted != self.labels)
        return wrong[np.argsort(-self.probabilities[wrong].max(axis=1), kind="stable")]

    def save(self, folder: Path = FOLDER) -> None:
        """Write the arrays as `.npy`, the other fields as JSON."""
        about: dict[str, Any] = {"class_names": self.class_names, "metrics": self.metrics}
        if self.multiple:  # only then, so that other runs keep their bytes
            about["multiple"] = True
        with new_folder(folder) as new:
            n_images = len(self.labels)
            with new_npy(new / "probabilities.npy", n_images) as append:
                for start in range(0, n_images, ROWS_AT_ONCE):
                    rows = self.probabilities[start : start + ROWS_AT_ONCE]
                    append(rows.astype(np.float32))
            np.save(new / "labels.npy", self.labels)
            np.save(new / "names.npy", self.names)
            write_json(new / "predictions.json", about)

    @classmethod
    def load(cls, folder: Path = FOLDER) -> "Predictions":
        """Load predictions from a folder that `save` wrote; arrays are memory-mapped."""
        about: dict[str, Any] = read_json(folder / "predictions.json")
        arrays = {
            name: load_npy(folder / f"{name}.npy") for name in ("probabilities", "labels", "names")
        }
        return cls(**arrays, class_names=tuple(about["class_names"]), metrics=about["metrics"])
