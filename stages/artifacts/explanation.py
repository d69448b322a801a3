"""SHAP values of test images, `data/shap`: explain writes them, report reads them."""

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from stages.artifacts.splits import Names
from stages.base.files.arrays import AppendRows, load_npy, new_npy
from stages.base.files.atomic import new_folder
from stages.base.files.formats import read_json, write_json

if TYPE_CHECKING:
    import shap

FOLDER = Path("data/shap")
UNKNOWN = -1  # instead of a true class


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What all explained images of a run share.

    k classes, b background images, c channels, h height, w width. Each array is saved as
    `<name>.npy`, `about` as `about.json`.

    Attributes:
        base_values: Mean output over the background (k,), float64.
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
    background: NDArray[np.uint8]
    background_indices: NDArray[np.int64]
    about: Mapping[str, Any]

    @property
    def class_names(self) -> list[str]:
        """Names of the k classes, in class order."""
        return list(self.about["class_names"])


@dataclass(frozen=True, kw_only=True)
class ExplainedImages(Setup):
    """Some test images, with everything needed to interpret their SHAP values.

    n images, m maps of each image (m = k where all classes are explained). Each array is saved as
    `<name>.npy`.

    Attributes:
        outputs: The network's outputs (n, k), float64: logits or probabilities, as explained.
        probabilities: Predicted class probabilities (n, k), float32, whichever was explained.
        classes: The class that each map of an image belongs to (n, m), int64.
        images: The explained images (n, c, h, w), uint8.
        labels: True classes (n,), int64; `UNKNOWN` for pictures that are of no data set.
        names: What the data set calls the images (n,): paths within its source, or their numbers
            (int64) where they were published.
        indices: Positions in the test split (n,), int64.
    """

    outputs: NDArray[np.float64]
    probabilities: NDArray[np.float32]
    classes: NDArray[np.int64]
    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    names: Names
    indices: NDArray[np.int64]

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

    def map_indices(self, classes: NDArray[np.int64] | int) -> NDArray[np.int64]:
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


def _arrays_of(kind: type[Setup]) -> list[str]:
    return [field.name for field in fields(kind) if field.name != "about"]


_SHARED = _arrays_of(Setup)
_BY_IMAGE = [name for name in _arrays_of(ExplainedImages) if name not in _SHARED]


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


_OPTIONAL = list(AttributionSlice._field_defaults)


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
            name: load_npy(folder / f"{name}.npy")
            for name in (*_SHARED, *_BY_IMAGE, *AttributionSlice._fields)
            if name not in _OPTIONAL or (folder / f"{name}.npy").exists()
        }
        return cls(**arrays, about=read_json(folder / "about.json"))

    def maps(
        self, image_index: int, map_indices: NDArray[np.int64] | list[int]
    ) -> NDArray[np.float64]:
        """Some of an image's attribution maps, channels summed (s, h, w).

        Args:
            image_index: Index among the explained images.
            map_indices: Which of its maps (s,).
        """
        chosen = self.values[image_index][..., map_indices]
        return np.asarray(chosen.sum(axis=0, dtype=np.float64).transpose(2, 0, 1))

    def map_errors(
        self, image_index: int, map_indices: NDArray[np.int64] | list[int]
    ) -> NDArray[np.float64] | None:
        """The standard errors of `maps` (s, h, w); None if the method has no groups."""
        if self.errors is None:
            return None
        return np.asarray(self.errors[image_index][..., map_indices], np.float64).transpose(2, 0, 1)

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


def save_shard(
    explained: ExplainedImages, slices: Iterable[AttributionSlice], folder: Path
) -> None:
    """Write a shard of an explanation: what belongs to some of its images.

    Args:
        explained: The images of the shard.
        slices: Their attributions, in order; written slice by slice.
        folder: An empty one.
    """
    for name in _BY_IMAGE:
        np.save(folder / f"{name}.npy", getattr(explained, name))
    with contextlib.ExitStack() as stack:
        append: dict[str, AppendRows] = {}
        for part in slices:
            for name, array in part._asdict().items():
                if array is None:
                    continue
                if name not in append:
                    file = new_npy(folder / f"{name}.npy", len(explained.images))
                    append[name] = stack.enter_context(file)
                append[name](array.astype("<f4"))


def save_explanation(setup: Setup, shards: Sequence[Path], folder: Path = FOLDER) -> int:
    """Write an explanation from its shards; no array is read into memory as a whole.

    Args:
        setup: What all images share.
        shards: Folders that `save_shard` wrote, in the order of their images.
        folder: Where to write.

    Returns:
        How many groups the attributions have, 0 if there are no error bars.
    """
    n_images = sum(len(np.load(shard / "labels.npy")) for shard in shards)
    n_groups = 0
    with new_folder(folder) as new:
        for name in _SHARED:
            np.save(new / f"{name}.npy", getattr(setup, name))
        for name in (*_BY_IMAGE, *AttributionSlice._fields):
            if name in _OPTIONAL and not (shards[0] / f"{name}.npy").exists():
                continue
            with new_npy(new / f"{name}.npy", n_images) as append:
                for shard in shards:  # one open at a time, since there may be thousands
                    part = load_npy(shard / f"{name}.npy")
                    append(part)
            if name == "group_means":
                n_groups = part.shape[1]
        write_json(new / "about.json", {**setup.about, "n_groups": n_groups})
    return n_groups
