"""The explanation as it lies on disk: what the explain stage writes and the report stage reads."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray


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
        about: What was explained and how: `class_names` (k strings), `output` (`logits` or
            `probabilities`), `method`, `n_background`, `background` (how it was drawn), `versions`.
    """

    values: NDArray[np.float32]
    base_values: NDArray[np.float64]
    outputs: NDArray[np.float64]
    probabilities: NDArray[np.float32]
    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    indices: NDArray[np.int64]
    about: Mapping[str, Any]

    ARRAYS = (
        "values",
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
        arrays = {
            name: np.load(folder / f"{name}.npy", mmap_mode="r" if name == "values" else None)
            for name in cls.ARRAYS
        }
        about = json.loads((folder / "about.json").read_text(encoding="utf-8"))
        return cls(**arrays, about=about)

    @property
    def class_names(self) -> list[str]:
        """Names of the k classes, in class order."""
        return list(self.about["class_names"])

    @property
    def predictions(self) -> NDArray[np.int64]:
        """Predicted classes (n,): the largest probability."""
        return self.probabilities.argmax(axis=1).astype(np.int64)

    @property
    def sums(self) -> NDArray[np.float64]:
        """Attribution summed over channels and pixels (n, k)."""
        return np.stack([image.sum(axis=(0, 1, 2), dtype=np.float64) for image in self.values])
