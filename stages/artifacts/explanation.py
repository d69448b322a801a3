"""SHAP values of test images in `data/shap`: explain writes them, quality and report read them."""

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from stages.artifacts.splits import Names, has_label, is_multiple, is_predicted
from stages.base.files.arrays import AppendRows, load_npy, new_npy
from stages.base.files.atomic import new_folder
from stages.base.files.formats import read_json, write_json

if TYPE_CHECKING:
    import shap

FOLDER = Path("data/shap")
UNKNOWN = -1  # label of an image without a true class
ROUNDING = 1e-6  # float32 rounding of an unchanged output, as a share of the output
POSITIVE = 1  # the class whose probability is the sigmoid of a network's one logit


@dataclass(frozen=True, kw_only=True)
class Setup:
    """Data that all explained images of a run share.

    In shapes: k classes, b background images, c channels, h height, w width. Each array is saved as
    `<name>.npy`, `about` as `about.json`.

    Attributes:
        base_values: Mean output over the background (k,), float64, in output units: logits or
            probabilities.
        background: Background images (b, c, h, w), uint8, group after group.
        background_indices: Positions of the background images in the training split (b,), int64.
        about: Description of the explanation: `class_names` (k strings), `dataset` and `network`
            (display names), `output` (`logits` or `probabilities`), `method`, `n_background`,
            `background` (`stratified` or `random` draw), `n_train` (size of the training split),
            `n_groups` (number g of background groups, 0 without error bars; added when it is
            saved), `one_logit` (true for a network with one logit for two classes, otherwise
            absent), `parameters` (of all stages up to explain, by section of `params.yaml`) and
            `versions` (of libraries).
    """

    base_values: NDArray[np.float64]
    background: NDArray[np.uint8]
    background_indices: NDArray[np.int64]
    about: Mapping[str, Any]

    @property
    def class_names(self) -> list[str]:
        """Names of the k classes, in class order."""
        return list(self.about["class_names"])

    @property
    def multiple(self) -> bool:
        """Whether an image may have several labels (`data.labels: multiple`)."""
        return is_multiple(self.about["parameters"])

    @property
    def one_logit(self) -> bool:
        """Whether the network has one logit for two classes, that of class `POSITIVE`."""
        return bool(self.about.get("one_logit"))


@dataclass(frozen=True, kw_only=True)
class ExplainedImages(Setup):
    """Explained images, with everything needed to interpret their SHAP values.

    In shapes: n images, m maps of each image (m = k if all classes are explained). Each array is
    saved as `<name>.npy`.

    Attributes:
        outputs: The network's outputs (n, k), float64, in output units: logits or probabilities.
        probabilities: Predicted class probabilities (n, k), float32, whichever output is explained.
        classes: The class of each map (n, m), int64.
        images: The explained images (n, c, h, w), uint8.
        labels: True classes (n,), int64; with several labels an image, (n, k) of 0 and 1.
            `UNKNOWN` (-1) for a user's own picture.
        names: Names of the images in the data set (n,): paths within its source (strings), or
            numbers in the published files (int64).
        indices: Positions of the images in the test split (n,), int64.
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
        """Titles of the images (n,) for pictures and tables: `cats/1.jpg`, `Test image 4`."""
        numbered = "Test image " if np.issubdtype(self.names.dtype, np.integer) else ""
        return [f"{numbered}{name}" for name in self.names]

    @property
    def predicted(self) -> NDArray[np.int64]:
        """Predicted classes (n,), int64: the most probable ones."""
        return np.asarray(self.probabilities.argmax(axis=1), np.int64)

    @property
    def measured(self) -> NDArray[np.int64]:
        """The class of each image that measures and comparisons are about (n,), int64.

        The predicted class, whether or not it has a map; `POSITIVE` for a network with one logit.
        """
        return np.full_like(self.predicted, POSITIVE) if self.one_logit else self.predicted

    @cached_property
    def is_true(self) -> NDArray[np.bool_]:
        """Whether each class is true of each image (n, k); false if that is unknown."""
        return has_label(self.labels, len(self.base_values))

    @cached_property
    def is_predicted(self) -> NDArray[np.bool_]:
        """Whether each class is predicted (n, k): the most probable one, or labels above 0.5."""
        return is_predicted(self.probabilities, self.multiple)

    @property
    def explains_all_classes(self) -> bool:
        """Whether every image has a map of every class."""
        return bool(self.classes.shape[1] == len(self.base_values))

    @cached_property
    def changes(self) -> NDArray[np.float64]:
        """Output minus base value of each map's class (n, m), in output units.

        The attributions of an additive method sum to it.
        """
        return np.take_along_axis(self.outputs - self.base_values, self.classes, axis=1)

    @cached_property
    def nothing_to_explain(self) -> bool:
        """Whether all outputs are the base values within rounding, as for a constant network."""
        differences = np.abs(self.outputs - self.base_values).max(initial=0.0)
        return bool(differences <= ROUNDING * np.abs(self.base_values).max())

    def map_indices(self, classes: NDArray[np.int64] | int) -> NDArray[np.int64]:
        """The map index of a class in each image (n,); -1 if the image has no map of it.

        Args:
            classes: One class for each image (n,), or one for all images.
        """
        belongs = self.classes == np.reshape(classes, (-1, 1))
        return np.where(belongs.any(axis=1), belongs.argmax(axis=1), -1)

    @cached_property
    def output_ranges(self) -> NDArray[np.float64]:
        """Range of each image's outputs and the base values (n,), in output units.

        The largest minus the smallest of these values.
        """
        highest = self.outputs.max(axis=1).clip(min=self.base_values.max())
        return np.asarray(highest - self.outputs.min(axis=1).clip(max=self.base_values.min()))

    @cached_property
    def output_range(self) -> float:
        """Range of the outputs of all images and the base values, in output units."""
        outputs = np.concatenate([self.outputs.ravel(), self.base_values])
        return float(outputs.max() - outputs.min())


def _arrays_of(kind: type[Setup]) -> list[str]:
    return [field.name for field in fields(kind) if field.name != "about"]


_SHARED = _arrays_of(Setup)
_BY_IMAGE = [name for name in _arrays_of(ExplainedImages) if name not in _SHARED]


class AttributionSlice(NamedTuple):
    """Attributions of a few consecutive images, with error bars if the method has groups.

    Attributes:
        values: As in `Explanation`, for s images: (s, c, h, w, m).
        errors: As in `Explanation`, (s, h, w, m), or None.
        group_means: As in `Explanation`, (s, g, h, w), or None.
    """

    values: NDArray[np.floating]
    errors: NDArray[np.floating] | None = None
    group_means: NDArray[np.floating] | None = None


_OPTIONAL = list(AttributionSlice._field_defaults)


@dataclass(frozen=True, kw_only=True)
class Explanation(ExplainedImages):
    """Explained images with their SHAP values.

    Attributes:
        values: Attributions (n, c, h, w, m), float32, in output units per pixel. Summed over
            c, h, w they give `changes` if the method is additive.
        errors: Standard errors of the attributions summed over channels (n, h, w, m), float32, in
            output units per pixel, estimated over the background; None if the method has no
            groups.
        group_means: Attributions to the class `measured`, relative to each of g groups of
            background images, summed over channels (n, g, h, w), float32, in output units per
            pixel; NaN for an image without a map of that class. None if the method has no groups.
    """

    values: NDArray[np.float32]
    errors: NDArray[np.float32] | None = None
    group_means: NDArray[np.float32] | None = None

    @classmethod
    def load(cls, folder: Path = FOLDER) -> Self:
        """Load an explanation; arrays are memory-mapped, since they may be larger than memory."""
        arrays = {
            name: load_npy(folder / f"{name}.npy")
            for name in (*_SHARED, *_BY_IMAGE, *AttributionSlice._fields)
            if name not in _OPTIONAL or (folder / f"{name}.npy").exists()
        }
        return cls(**arrays, about=read_json(folder / "about.json"))

    def of_images(self, rows: slice | NDArray[np.int64]) -> Self:
        """The explanation of some of the images."""
        arrays = {name: getattr(self, name) for name in (*_BY_IMAGE, *AttributionSlice._fields)}
        return replace(
            self, **{name: array[rows] for name, array in arrays.items() if array is not None}
        )

    def maps(
        self, image_index: int, map_indices: NDArray[np.int64] | list[int]
    ) -> NDArray[np.float64]:
        """Attribution maps of an image, summed over channels.

        Args:
            image_index: Index among the explained images.
            map_indices: Map indices (s,).

        Returns:
            (s, h, w), float64, in output units per pixel.
        """
        chosen = self.values[image_index][..., map_indices]
        return np.asarray(chosen.sum(axis=0, dtype=np.float64).transpose(2, 0, 1))

    def map_errors(
        self, image_index: int, map_indices: NDArray[np.int64] | list[int]
    ) -> NDArray[np.float64] | None:
        """Standard errors of `maps` with the same arguments; None if the method has no groups."""
        if self.errors is None:
            return None
        return np.asarray(self.errors[image_index][..., map_indices], np.float64).transpose(2, 0, 1)

    @property
    def sums(self) -> NDArray[np.float64]:
        """Attributions summed over channels and pixels (n, m), float64, in output units."""
        return np.stack([image.sum(axis=(0, 1, 2), dtype=np.float64) for image in self.values])

    def to_shap(self) -> "shap.Explanation":
        """The explanation for shap's own plots: `shap.image_plot(explanation.to_shap())`.

        Returns:
            `values` (n, h, w, c, m), `base_values` (n, m) and `data` (n, h, w, c), channels last as
            shap expects. `output_names` are class names (m,), or (n, m) if the classes differ
            between images.
        """
        import shap  # here, since importing takes two seconds and no stage needs it

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
    """Write a shard: all arrays for a contiguous range of the explained images.

    Args:
        explained: The images of the shard.
        slices: Attributions of these images, in order; written one slice at a time.
        folder: An empty folder.
    """
    for name in _BY_IMAGE:
        np.save(folder / f"{name}.npy", getattr(explained, name))
    with contextlib.ExitStack() as stack:
        append: dict[str, AppendRows] = {}
        for attributions in slices:
            for name, array in attributions._asdict().items():
                if array is None:
                    continue
                if name not in append:
                    file = new_npy(folder / f"{name}.npy", len(explained.images))
                    append[name] = stack.enter_context(file)
                append[name](array.astype("<f4"))


def save_explanation(setup: Setup, shards: Sequence[Path], folder: Path = FOLDER) -> int:
    """Write an explanation from its shards without loading whole arrays into memory.

    Args:
        setup: Data that all images share.
        shards: Folders written by `save_shard`, in the order of their images.
        folder: Destination.

    Returns:
        Number of background groups, 0 without error bars.
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
                for shard in shards:  # one file open at a time, since there may be thousands
                    rows = load_npy(shard / f"{name}.npy")
                    append(rows)
            if name == "group_means":
                n_groups = rows.shape[1]
        write_json(new / "about.json", {**setup.about, "n_groups": n_groups})
    return n_groups
