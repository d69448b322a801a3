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
    """Some test images, with everything needed to interpret their SHAP values.

    n images, c channels, h height, w width, k classes. Each array is saved as `<name>.npy`, `about`
    as `about.json`.

    Attributes:
        base_values: Mean output over the background (k,), float64.
        outputs: The network's outputs (n, k), float64: logits or probabilities, as explained.
        probabilities: Predicted class probabilities (n, k), float32, whichever was explained.
        images: The explained images (n, c, h, w), uint8.
        labels: True classes (n,), int64.
        indices: Positions in the test split (n,), int64.
        about: What was explained and how: `class_names` (k strings), `dataset` and `network` (their
            display names), `output` (`logits` or `probabilities`), `method`, `n_background`,
            `background` (how it was drawn), `parameters` (of all stages up to here, by section of
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
    def predicted(self) -> NDArray[np.int64]:
        """Predicted classes (n,): those of the highest probability."""
        return np.asarray(self.probabilities.argmax(axis=1), np.int64)

    @property
    def output_range(self) -> float:
        """The largest minus the smallest output, over images and classes, base values included."""
        outputs = np.concatenate([self.outputs.ravel(), self.base_values])
        return float(outputs.max() - outputs.min())


_ARRAYS = [field.name for field in fields(ExplainedImages) if field.name != "about"]


@dataclass(frozen=True, kw_only=True)
class Explanation(ExplainedImages):
    """Explained images with their SHAP values.

    Attributes:
        values: Attributions (n, c, h, w, k), float32, output units per pixel. An additive method's
            sum to `outputs - base_values` over c, h, w.
    """

    values: NDArray[np.float32]

    @classmethod
    def load(cls, folder: Path = FOLDER) -> Self:
        """Read the folder; `values` is memory-mapped, since it may be larger than memory."""
        values = np.load(folder / "values.npy", mmap_mode="r")
        arrays = {name: np.load(folder / f"{name}.npy") for name in _ARRAYS}
        return cls(values=values, **arrays, about=read_json(folder / "about.json"))

    @property
    def sums(self) -> NDArray[np.float64]:
        """Attributions summed over channels and pixels (n, k)."""
        return np.stack([image.sum(axis=(0, 1, 2), dtype=np.float64) for image in self.values])


def save_explanation(
    explained: ExplainedImages, values: Iterable[NDArray[np.floating]], folder: Path = FOLDER
) -> None:
    """Write an explanation; its values are written slice by slice and need not fit into memory.

    Args:
        explained: Everything but the values.
        values: Slices (some, c, h, w, k) that together make up the values of all images.
        folder: Where to write.
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
