"""Pairs the images that two versions explain, with their maps of the same class."""

import hashlib
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from stages.artifacts.explanation import Explanation
from stages.base.errors.user import UserError
from tools.compare.similarity import Similarity, changed_pixels
from tools.compare.versions import Version


@dataclass(frozen=True)
class Pairs:
    """The n images that can be compared, each by its maps of one class.

    This is the class `measured` of the old version, mostly the one that it predicts, so both maps
    answer the same question even if the new version predicts another class.

    Attributes:
        old, new: The versions.
        old_images, new_images: Indices into the explained images (n,), in the old version's order.
        without_map: Number of further images in both for which a version has no map of that class.
    """

    old: Version
    new: Version
    old_images: NDArray[np.int64]
    new_images: NDArray[np.int64]
    without_map: int

    @classmethod
    def of(cls, old: Version, new: Version) -> Self:
        """Find the images that both versions explain, by their pixels.

        Raises:
            UserError: The classes or the unit differ, or the versions have no image in common.
        """
        _require_comparable(old, new)
        first, second = old.explanation, new.explanation
        a, b = _same_images(first.images, second.images)
        if not len(a):
            raise UserError(
                f"{old.name} and {new.name}: no image is explained in both; compare versions with "
                "the same data.dataset, explain.images and explain.seed"
            )
        wanted = first.measured[a]
        mapped = (_map_indices(first, a, wanted) >= 0) & (_map_indices(second, b, wanted) >= 0)
        if not mapped.any():
            raise UserError(
                f"{old.name} and {new.name}: no image has a map of the same class in both; compare "
                "versions with explain.outputs: all"
            )
        return cls(old, new, a[mapped], b[mapped], int((~mapped).sum()))

    @property
    def classes(self) -> NDArray[np.int64]:
        """The class whose maps are compared (n,)."""
        return self.old.explanation.measured[self.old_images]

    @property
    def same_prediction(self) -> NDArray[np.bool_]:
        """Whether both versions predict the same class or labels (n,)."""
        old = self.old.explanation.is_predicted[self.old_images]
        new = self.new.explanation.is_predicted[self.new_images]
        return np.asarray((old == new).all(axis=1))

    @cached_property
    def old_maps(self) -> NDArray[np.float64]:
        """Attributions to the class, channels summed (n, h, w)."""
        return _maps(self.old.explanation, self.old_images, self.classes)

    @cached_property
    def new_maps(self) -> NDArray[np.float64]:
        """The new version's attributions to the class, channels summed (n, h, w)."""
        return _maps(self.new.explanation, self.new_images, self.classes)

    @cached_property
    def similarity(self) -> Similarity:
        """The similarity of the maps."""
        return Similarity.of(self.old_maps, self.new_maps)

    @property
    def old_errors(self) -> NDArray[np.float32] | None:
        """Standard errors of the old maps (n, h, w); None without error bars."""
        old = self.old.explanation
        if old.errors is None:
            return None
        map_indices = _map_indices(old, self.old_images, self.classes)
        return np.stack(
            [old.errors[i][..., m] for i, m in zip(self.old_images, map_indices, strict=True)]
        )

    @property
    def same_network(self) -> bool:
        """Whether the outputs for these images are the same within rounding."""
        old = self.old.explanation.outputs[self.old_images]
        return np.allclose(old, self.new.explanation.outputs[self.new_images], rtol=1e-4, atol=1e-5)

    @property
    def same_background(self) -> bool:
        """Whether both have the same background images in the same order."""
        old, new = self.old.explanation.background, self.new.explanation.background
        return np.array_equal(old, new)

    @property
    def equal(self) -> bool:
        """Whether predictions and maps are exactly the same."""
        return bool(self.same_prediction.all()) and np.array_equal(self.old_maps, self.new_maps)

    @cached_property
    def changed(self) -> NDArray[np.bool_] | None:
        """Pixels that changed by over three standard errors (n, h, w).

        False in images with another prediction or another class `measured`, to which the means over
        groups of background images belong. None unless both versions have error bars and the
        same background.
        """
        old, new = self.old.explanation, self.new.explanation
        if old.group_means is None or new.group_means is None or not self.same_background:
            return None
        changed = changed_pixels(
            old.group_means[self.old_images],
            new.group_means[self.new_images],
            len(old.background),
            old.about["n_train"],
        )
        same_class = self.classes == new.measured[self.new_images]
        return np.asarray(changed & (self.same_prediction & same_class)[:, None, None])


def _require_comparable(old: Version, new: Version) -> None:
    first, second = old.explanation, new.explanation
    for name, mine, theirs in (
        ("classes", first.class_names, second.class_names),
        ("several labels an image", first.multiple, second.multiple),
        ("explain.output", first.about["output"], second.about["output"]),
        ("size of the images", first.images.shape[1:], second.images.shape[1:]),
    ):
        if mine != theirs:
            raise UserError(
                f"{old.name} and {new.name} cannot be compared: {name}: {_short(mine)} and "
                f"{_short(theirs)}; compare versions in which this is the same"
            )


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 100 else f"{text[:100]}…"


def _same_images(
    old: NDArray[np.uint8], new: NDArray[np.uint8]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices of the images in both, in old order; repeated images are paired one by one."""
    indices: dict[bytes, list[int]] = defaultdict(list)
    for index in reversed(range(len(new))):
        indices[hashlib.sha256(new[index].tobytes()).digest()].append(index)
    found = [
        (index, waiting.pop())
        for index, image in enumerate(old)
        if (waiting := indices[hashlib.sha256(image.tobytes()).digest()])
    ]
    both = np.array(found, np.int64).reshape(-1, 2)
    return both[:, 0], both[:, 1]


def _map_indices(
    explanation: Explanation, images: NDArray[np.int64], classes: NDArray[np.int64]
) -> NDArray[np.int64]:
    """The map index of each image's class (n,); -1 if the class was not explained."""
    wanted = np.full(len(explanation.classes), -1)
    wanted[images] = classes
    return explanation.map_indices(wanted)[images]


def _maps(
    explanation: Explanation, images: NDArray[np.int64], classes: NDArray[np.int64]
) -> NDArray[np.float64]:
    map_indices = _map_indices(explanation, images, classes)
    return np.stack([explanation.maps(i, [m])[0] for i, m in zip(images, map_indices, strict=True)])
