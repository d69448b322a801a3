"""Which images of two versions are the same, and their maps of the same class."""

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
    """The n images that can be compared, each by its map of one class in both versions.

    That class is the one which the old version predicts. So both maps answer the same question,
    also where the new version predicts another class.

    Attributes:
        old, new: The versions.
        old_images, new_images: Numbers of the images among those explained (n,), in old order.
        without_map: How many more images both explain, but not for that class.
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
            UserError: The versions cannot be compared: the classes or the unit differ, or no image
                is in both.
        """
        _require_comparable(old, new)
        first, second = old.explanation, new.explanation
        a, b = _same_images(first.images, second.images)
        if not len(a):
            raise UserError(
                f"{old.name} and {new.name}: no image is explained in both; compare versions with "
                "the same data.dataset, explain.images and explain.seed"
            )
        wanted = first.predicted[a]
        mapped = (_places(first, a, wanted) >= 0) & (_places(second, b, wanted) >= 0)
        if not mapped.any():
            raise UserError(
                f"{old.name} and {new.name}: no image has a map of the same class in both; compare "
                "versions with explain.outputs: all"
            )
        return cls(old, new, a[mapped], b[mapped], int((~mapped).sum()))

    @property
    def classes(self) -> NDArray[np.int64]:
        """The class whose maps are compared (n,)."""
        return self.old.explanation.predicted[self.old_images]

    @property
    def same_prediction(self) -> NDArray[np.bool_]:
        """Whether both versions predict the same class (n,)."""
        return np.asarray(self.classes == self.new.explanation.predicted[self.new_images])

    @cached_property
    def old_maps(self) -> NDArray[np.float64]:
        """Attributions to the class, channels summed (n, h, w)."""
        return _maps(self.old.explanation, self.old_images, self.classes)

    @cached_property
    def new_maps(self) -> NDArray[np.float64]:
        """The same in the new version."""
        return _maps(self.new.explanation, self.new_images, self.classes)

    @cached_property
    def similarity(self) -> Similarity:
        """How alike the maps are."""
        return Similarity.of(self.old_maps, self.new_maps)

    @property
    def old_errors(self) -> NDArray[np.float32] | None:
        """Standard errors of the old maps over the background (n, h, w), if it has any."""
        old = self.old.explanation
        if old.errors is None:
            return None
        places = _places(old, self.old_images, self.classes)
        return np.stack(
            [old.errors[i][..., place] for i, place in zip(self.old_images, places, strict=True)]
        )

    @property
    def same_network(self) -> bool:
        """Whether the outputs for these images are the same but for rounding."""
        old = self.old.explanation.outputs[self.old_images]
        return np.allclose(old, self.new.explanation.outputs[self.new_images], rtol=1e-4, atol=1e-5)

    @property
    def same_background(self) -> bool:
        """Whether both know their background images, and these are the same in the same order."""
        old, new = self.old.explanation, self.new.explanation
        return bool(len(old.background)) and np.array_equal(old.background, new.background)

    @property
    def equal(self) -> bool:
        """Whether predictions and maps are exactly the same."""
        return bool(self.same_prediction.all()) and np.array_equal(self.old_maps, self.new_maps)

    @cached_property
    def changed(self) -> NDArray[np.bool_] | None:
        """Pixels beyond three standard errors (n, h, w), False where the prediction changed.

        None if it cannot be known: it takes the same background, in groups, in both versions.
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
        return changed & self.same_prediction[:, None, None]


def _require_comparable(old: Version, new: Version) -> None:
    first, second = old.explanation, new.explanation
    for name, mine, theirs in (
        ("classes", first.class_names, second.class_names),
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
    """Numbers of the images in both, in old order; repeated images are paired one by one."""
    places: dict[bytes, list[int]] = defaultdict(list)
    for place in reversed(range(len(new))):
        places[hashlib.sha256(new[place].tobytes()).digest()].append(place)
    found = [
        (place, waiting.pop())
        for place, image in enumerate(old)
        if (waiting := places[hashlib.sha256(image.tobytes()).digest()])
    ]
    both = np.array(found, np.int64).reshape(-1, 2)
    return both[:, 0], both[:, 1]


def _places(
    explanation: Explanation, images: NDArray[np.int64], classes: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Which map of each image is that of its class (n,); -1 where it has none."""
    wanted = np.full(len(explanation.classes), -1)
    wanted[images] = classes
    return explanation.map_indices(wanted)[images]


def _maps(
    explanation: Explanation, images: NDArray[np.int64], classes: NDArray[np.int64]
) -> NDArray[np.float64]:
    places = _places(explanation, images, classes)
    return np.stack(
        [explanation.maps(image, [place])[0] for image, place in zip(images, places, strict=True)]
    )
