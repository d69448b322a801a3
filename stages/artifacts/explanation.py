"""SHAP values of test images, `data/shap`: explain writes them, report reads them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from stages.core.files import new_folder, read_json, write_json

FOLDER = Path("data/shap")


@dataclass(frozen=True, kw_only=True)
class ExplainedImages:
    """Some test images, with all that is needed to read their SHAP values.

    n images, c channels, h height, w width, k classes. Every array is one `.npy` file of its name,
    and `about` is `about.json`.

    Attributes:
        base_values: Mean output over the background (k,), float64.
        outputs: What the network gives for each image (n, k), float64, in the unit explained.
        probabilities: Predicted class probabilities (n, k), float32, whatever the unit explained.
        images: What was explained (n, c, h, w), uint8.
        labels: True classes (n,), int64.
        indices: Positions in the test split (n,), int64.
        about: What was explained and how: `class_names` (k strings), `dataset` and `network` (what
            people call them), `output` (`logits` or `probabilities`), `method`, `n_background`,
            `background` (how it was drawn), `parameters` (all that led here, by section of
            `params.yaml`), `versions`.
    """

    base_values: NDArray[np.float64]
    outputs: NDArray[np.float64]
    probabilities: NDArray[np.float32]
    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    indices: NDArray[np.int64]
    about: Mapping[str, Any]

    @property
    def class_names(self) -> list[str]:
        """Names of the k classes, in class order."""
        return list(self.about["class_names"])

    @property
    def predictions(self) -> NDArray[np.int64]:
        """Predicted classes (n,): the largest probability."""
        return np.asarray(self.probabilities.argmax(axis=1), np.int64)

    @property
    def output_range(self) -> float:
        """Distance from the smallest to the largest output, over images, classes, base values."""
        every = np.concatenate([self.outputs.ravel(), self.base_values])
        return float(every.max() - every.min())


_ARRAYS = [field.name for field in fields(ExplainedImages) if field.name != "about"]


@dataclass(frozen=True, kw_only=True)
class Explanation(ExplainedImages):
    """Explained images with their SHAP values.

    Attributes:
        values: Attributions (n, c, h, w, k), float32, output units per pixel. Summed over c, h, w
            they give `outputs - base_values` for a method that is additive.
    """

    values: NDArray[np.float32]

    @classmethod
    def load(cls, folder: Path = FOLDER) -> Self:
        """Read the folder, `values` as a memory map since it may be larger than memory."""
        values = np.load(folder / "values.npy", mmap_mode="r")
        arrays = {name: np.load(folder / f"{name}.npy") for name in _ARRAYS}
        return cls(values=values, **arrays, about=read_json(folder / "about.json"))

    @property
    def sums(self) -> NDArray[np.float64]:
        """Attribution summed over channels and pixels (n, k)."""
        return np.stack([image.sum(axis=(0, 1, 2), dtype=np.float64) for image in self.values])


def save_explanation(
    explained: ExplainedImages, values: Iterable[NDArray[np.floating]], folder: Path = FOLDER
) -> None:
    """Write an explanation, its values as they are made: they need not fit into memory.

    Args:
        explained: All but the values.
        values: Slices (some, c, h, w, k) that together are the values of all images.
        folder: Where to.
    """
    shape = (*explained.images.shape, explained.outputs.shape[1])
    header = {"descr": "<f4", "fortran_order": False, "shape": shape}
    with new_folder(folder) as new:
        for name in _ARRAYS:
            np.save(new / f"{name}.npy", getattr(explained, name))
        write_json(new / "about.json", explained.about)
        with (new / "values.npy").open("wb") as file:
            np.lib.format.write_array_header_1_0(file, header)
            for part in values:
                file.write(np.ascontiguousarray(part, dtype="<f4").data)
