"""SHAP values of test images, `data/shap`: explain writes them, report reads them."""

import contextlib
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from stages.artifacts.npy import AppendRows, new_npy
from stages.artifacts.splits import Names
from stages.core.files import new_folder, read_json, write_json

if TYPE_CHECKING:
    import shap

FOLDER = Path("data/shap")
UNKNOWN = -1  # instead of a true class


@dataclass(frozen=True, kw_only=True)
class ExplainedImages:
    """Some test images, with everything needed to interpret their SHAP values.

    n images, c channels, h height, w width, k classes, m maps of each image (m = k where all
    classes are explained), b background images. Each array is saved as `<name>.npy`, `about` as
    `about.json`.

    Attributes:
        base_values: Mean output over the background (k,), float64.
        outputs: The network's outputs (n, k), float64: logits or probabilities, as explained.
        probabilities: Predicted class probabilities (n, k), float32, whichever was explained.
        classes: The class that each map of an image belongs to (n, m), int64.
        images: The explained images (n, c, h, w), uint8.
        labels: True classes (n,), int64; `UNKNOWN` for pictures that are of no data set.
        names: What the data set calls the images (n,): paths within its source, or their numbers
            (int64) where they were published.
        indices: Positions in the test split (n,), int64.
        background: The background images (b, c, h, w), uint8, group after group.
        background_indices: Their positions in the training split (b,), int64.
        about: What was explained and how: `class_names` (k strings), `dataset` and `network` (their
            display names), `output` (`logits` or `probabilities`), `method`, `n_background`,
            `background` (how it was drawn), `n_train` (size of the training split that it was drawn
            from), `n_groups` (g of `AttributionSlice`, 0 without error
            bars; known once saved), `parameters` (of all stages up to here, by section of
            `params.yaml`), `versions`.
    """

    base_values: NDArray[np.float64]
    outputs: NDArray[np.float64]
    probabilities: NDArray[np.float32]
    classes: NDArray[np.int64]
    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    names: Names
    indices: NDArray[np.int64]
    background: NDArray[np.uint8]
    background_indices: NDArray[np.int64]
    about: Mapping[str, Any]

    @property
    def class_names(self) -> list[str]:
        """Names of the k classes, in class order."""
        return list(self.about["class_names"])

    @cached_property
    def titles(self) -> list[str]:
        """What to call each image (n,) at the head of its picture: `cats/1.jpg`, `Test image 4`."""
        numbered = "Test image " if np.issubdtype(self.names.dtype, np.integer) else ""
        return [f"{numbered}{name}" for name in self.names]

    @property
    def predicted(self) -> NDArray[np.int64]:
        """Predicted classes (n,): those of the highest probability."""
        return np.asarray(self.probabilities.argmax(axis=1), np.int64)

    @property
    def explains_all_classes(self) -> bool:
        """Whether every image has a map of every class."""
        return bool(self.classes.shape[1] == len(self.base_values))

    @cached_property
    def changes(self) -> NDArray[np.float64]:
        """Output minus base value of each map's class (n, m): what its attributions sum to."""
        return np.take_along_axis(self.outputs - self.base_values, self.classes, axis=1)

    def places(self, classes: NDArray[np.int64] | int) -> NDArray[np.int64]:
        """Which map of each image is that of its class here (n,); -1 where it has none.

        Args:
            classes: One for each image (n,), or one for all.
        """
        belongs = self.classes == np.reshape(classes, (-1, 1))
        return np.where(belongs.any(axis=1), belongs.argmax(axis=1), -1)

    @cached_property
    def output_ranges(self) -> NDArray[np.float64]:
        """The largest minus the smallest of each image's outputs and the base values (n,)."""
        highest = self.outputs.max(axis=1).clip(min=self.base_values.max())
        return np.asarray(highest - self.outputs.min(axis=1).clip(max=self.base_values.min()))

    @cached_property
    def output_range(self) -> float:
        """The largest minus the smallest output, over images and classes, base values included."""
        outputs = np.concatenate([self.outputs.ravel(), self.base_values])
        return float(outputs.max() - outputs.min())


_ARRAYS = [field.name for field in fields(ExplainedImages) if field.name != "about"]
_SHARED = ["base_values", "background", "background_indices"]  # by all images


class AttributionSlice(NamedTuple):
    """Attributions of some images, and their error bars if the method has groups.

    Attributes:
        values: (some, c, h, w, m), as in `Explanation`.
        errors: (some, h, w, m), or None.
        group_means: (some, g, h, w), or None.
    """

    values: NDArray[np.floating]
    errors: NDArray[np.floating] | None = None
    group_means: NDArray[np.floating] | None = None


@dataclass(frozen=True, kw_only=True)
class Explanation(ExplainedImages):
    """Explained images with their SHAP values.

    Attributes:
        values: Attributions (n, c, h, w, m), float32, output units per pixel. An additive method's
            sum to `changes` over c, h, w.
        errors: Standard error over the background of each attribution, channels summed
            (n, h, w, m), float32; None if the method has no groups.
        group_means: Attributions to the predicted class, channels summed, against the background
            images of each of g groups (n, g, h, w), float32; NaN for an image that has no map of
            its predicted class. None if the method has no groups.
    """

    values: NDArray[np.float32]
    errors: NDArray[np.float32] | None = None
    group_means: NDArray[np.float32] | None = None

    @classmethod
    def load(cls, folder: Path = FOLDER) -> Self:
        """Read the folder; the arrays are memory-mapped, since they may be larger than memory."""
        arrays = {
            name: np.load(folder / f"{name}.npy", mmap_mode="r")
            for name in (*_ARRAYS, *AttributionSlice._fields)
            if name in _ARRAYS or (folder / f"{name}.npy").exists()
        }
        return cls(**arrays, about=read_json(folder / "about.json"))

    def maps(self, image: int, places: NDArray[np.int64] | list[int]) -> NDArray[np.float64]:
        """Some of an image's attribution maps, channels summed (s, h, w).

        Args:
            image: Its number among the explained images.
            places: Which of its maps (s,), as positions.
        """
        some = self.values[image][..., places]
        return np.asarray(some.sum(axis=0, dtype=np.float64).transpose(2, 0, 1))

    def map_errors(
        self, image: int, places: NDArray[np.int64] | list[int]
    ) -> NDArray[np.float64] | None:
        """The standard errors of `maps` (s, h, w); None if the method has no groups."""
        if self.errors is None:
            return None
        return np.asarray(self.errors[image][..., places], np.float64).transpose(2, 0, 1)

    @property
    def sums(self) -> NDArray[np.float64]:
        """Attributions summed over channels and pixels (n, m)."""
        return np.stack([image.sum(axis=(0, 1, 2), dtype=np.float64) for image in self.values])

    def to_shap(self) -> "shap.Explanation":
        """The same for shap's own plots: `shap.image_plot(explanation.to_shap())`.

        Returns:
            Values (n, h, w, c, m), base values (n, m) and images (n, h, w, c), channels last as
            shap plots them. The outputs have the names of their classes (m,), or (n, m) where the
            images' classes differ.
        """
        import shap  # here, since it takes two seconds that no stage should wait for

        names = np.array(self.class_names)[self.classes]
        alike = bool((self.classes == self.classes[0]).all())
        return shap.Explanation(
            values=np.moveaxis(self.values, 1, 3),
            base_values=self.base_values[self.classes],
            data=np.moveaxis(self.images, 1, 3),
            output_names=names[0].tolist() if alike else names,
        )


def save_explanation(
    explained: ExplainedImages, slices: Iterable[AttributionSlice], folder: Path = FOLDER
) -> None:
    """Write an explanation; attributions are written slice by slice and need not fit into memory.

    Args:
        explained: Everything but the attributions.
        slices: Those of all images, in order.
        folder: Where to write.
    """
    n_groups = 0
    with new_folder(folder) as new, contextlib.ExitStack() as stack:
        for name in _ARRAYS:
            np.save(new / f"{name}.npy", getattr(explained, name))
        append: dict[str, AppendRows] = {}
        for part in slices:
            for name, array in part._asdict().items():
                if array is None:
                    continue
                if name not in append:
                    file = new_npy(new / f"{name}.npy", len(explained.images))
                    append[name] = stack.enter_context(file)
                append[name](array.astype("<f4"))
            n_groups = 0 if part.group_means is None else part.group_means.shape[1]
        write_json(new / "about.json", {**explained.about, "n_groups": n_groups})


def join_explanations(parts: Sequence[Path], n_images: int, folder: Path = FOLDER) -> None:
    """Write the explanation that is saved in parts as one; nothing is read into memory as a whole.

    Args:
        parts: Folders that `save_explanation` wrote, in the order of their images.
        n_images: How many images all parts have.
        folder: Where to write.
    """
    with new_folder(folder) as new:
        for first in sorted(parts[0].iterdir()):
            if first.suffix != ".npy" or first.stem in _SHARED:
                shutil.copyfile(first, new / first.name)
                continue
            with new_npy(new / first.name, n_images) as append:
                for part in parts:
                    append(np.load(part / first.name, mmap_mode="r"))
