"""The explanation as it lies on disk: what the explain stage writes and the report stage reads."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from stages.pipeline.files import read_json, write_json


@dataclass(frozen=True)
class Explanation:
    """SHAP values of some test images, with all that is needed to read them.

    n images, c channels, h height, w width, k classes. Every array is one `.npy` file of its name,
    and `about` is `about.json`.

    Attributes:
        values: Attributions (n, c, h, w, k), float32, output units per pixel. Summed over c, h, w
            they give `outputs - base_values` for a method that is additive.
        base_values: Mean output over the background (k,), float64.
        outputs: What the network gives for each image (n, k), float64, in the unit explained.
        probabilities: Predicted class probabilities (n, k), float32, whatever the unit explained.
        images: What was explained (n, c, h, w), uint8.
        labels: True classes (n,), int64.
        indices: Positions in the test split (n,), int64.
        about: What was explained and how: `class_names` (k strings), `dataset`, `output` (`logits`
            or `probabilities`), `method`, `n_background`, `background` (how it was drawn),
            `versions`.
    """

    values: NDArray[np.float32]
    base_values: NDArray[np.float64]
    outputs: NDArray[np.float64]
    probabilities: NDArray[np.float32]
    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    indices: NDArray[np.int64]
    about: Mapping[str, Any]

    BESIDE_VALUES: ClassVar = (
        "base_values",
        "outputs",
        "probabilities",
        "images",
        "labels",
        "indices",
    )

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read the folder, `values` as a memory map since it may be larger than memory."""
        values = np.load(folder / "values.npy", mmap_mode="r")
        beside = {name: np.load(folder / f"{name}.npy") for name in cls.BESIDE_VALUES}
        return cls(values=values, **beside, about=read_json(folder / "about.json"))

    @property
    def class_names(self) -> list[str]:
        """Names of the k classes, in class order."""
        return list(self.about["class_names"])

    @property
    def predictions(self) -> NDArray[np.int64]:
        """Predicted classes (n,): the largest probability."""
        return np.asarray(self.probabilities.argmax(axis=1), np.int64)

    @property
    def sums(self) -> NDArray[np.float64]:
        """Attribution summed over channels and pixels (n, k)."""
        return np.stack([image.sum(axis=(0, 1, 2), dtype=np.float64) for image in self.values])


def save_explanation(
    folder: Path,
    values: Iterable[NDArray[np.floating]],
    beside: Mapping[str, NDArray[Any]],
    about: Mapping[str, Any],
) -> None:
    """Write an explanation, its values as they are made: they need not fit into memory.

    Args:
        folder: Where to; exists.
        values: Slices (some, c, h, w, k) that together are the values of all images.
        beside: The other arrays of `Explanation`, by name.
        about: As in `Explanation`.
    """
    for name in Explanation.BESIDE_VALUES:
        np.save(folder / f"{name}.npy", beside[name])
    write_json(folder / "about.json", about)
    n_classes = beside["outputs"].shape[1]
    shape = (*beside["images"].shape, n_classes)
    header = {"descr": "<f4", "fortran_order": False, "shape": shape}
    with (folder / "values.npy").open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for part in values:
            file.write(np.ascontiguousarray(part, dtype="<f4").data)


def output_range(outputs: NDArray[np.floating], base_values: NDArray[np.floating]) -> float:
    """Distance from the smallest to the largest output, over images, classes and base values.

    Args:
        outputs: (n, k).
        base_values: (k,).

    Returns:
        In output units; errors are stated as a share of it.
    """
    every = np.concatenate([outputs.ravel(), base_values])
    return float(every.max() - every.min())
