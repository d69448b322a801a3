"""What the pictures of large images show of each: maps of the most probable classes."""

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from stages.drawing.photographs import area_sums
from stages.drawing.scale import Scale
from stages.drawing.text import with_minus
from stages.figures.run import Run

TOP_MAPS = 3
PERCENTILE = 99.0  # of |sum| of an image's areas: the end of its colour scale
ALIKE = 0.8  # cosine similarity of two maps from which their difference is shown, too


def has_difference(run: Run) -> bool:
    """Whether a difference of maps can be shown: labels do not exclude each other."""
    return run.explanation.classes.shape[1] > 1 and not run.explanation.multiple


@dataclass(frozen=True)
class PhotoMaps:
    """The maps of an explained image, summed over areas: blocks or segments.

    Attributes:
        run: The run.
        image_index: Index among the explained images.
        map_indices: Map indices of its most probable explained classes, the most probable first.
        areas: Number of the area that each pixel belongs to (h, w).
    """

    run: Run
    image_index: int
    map_indices: NDArray[np.int64]
    areas: NDArray[np.int64]

    @classmethod
    def of(cls, run: Run, image_index: int, areas: NDArray[np.int64]) -> Self:
        """The maps of up to `TOP_MAPS` classes."""
        explanation = run.explanation
        probabilities = explanation.probabilities[image_index, explanation.classes[image_index]]
        order = np.argsort(-probabilities, kind="stable")[:TOP_MAPS]
        return cls(run, image_index, order.astype(np.int64), areas)

    @cached_property
    def classes(self) -> NDArray[np.int64]:
        """The classes of the maps (m,)."""
        return np.asarray(self.run.explanation.classes[self.image_index, self.map_indices])

    @cached_property
    def own_sums(self) -> NDArray[np.float64]:
        """Sums over the areas, for each class (m, number of areas), output units."""
        maps = self.run.explanation.maps(self.image_index, self.map_indices)
        return area_sums(maps, self.areas)

    @cached_property
    def are_alike(self) -> bool:
        """Whether the maps of the first two classes, which exclude each other, are almost alike."""
        if not has_difference(self.run):
            return False
        first, second = self.own_sums[:2]
        lengths = np.linalg.norm(first) * np.linalg.norm(second)
        return bool(first @ second >= ALIKE * lengths > 0)

    @cached_property
    def sums(self) -> NDArray[np.float64]:
        """`own_sums`, followed by the difference of the first two where they are almost alike."""
        own = self.own_sums
        return np.concatenate([own, own[:1] - own[1:2]]) if self.are_alike else own

    @cached_property
    def errors(self) -> NDArray[np.float64] | None:
        """Upper bounds of the standard errors of `sums`; None if nothing is to be faded."""
        explanation = self.run.explanation
        errors = explanation.map_errors(self.image_index, self.map_indices)
        if not self.run.fade or errors is None:
            return None
        own = area_sums(errors, self.areas)
        return np.concatenate([own, own[:1] + own[1:2]]) if self.are_alike else own

    @cached_property
    def names(self) -> list[str]:
        """The names of the classes, and of the difference."""
        names = [self.run.class_names[number] for number in self.classes]
        return [*names, with_minus(f"{names[0]} - {names[1]}")] if self.are_alike else names

    @cached_property
    def scale(self) -> Scale:
        """The image's own colour scale, so that a lone strong area does not make others pale."""
        sizes = np.abs(self.own_sums)
        limit = float(np.percentile(sizes, PERCENTILE)) or float(sizes.max()) or 1.0
        return Scale(limit, self.run.colormap, self.run.grain)

    @cached_property
    def n_beyond(self) -> int:
        """Number of areas in all maps that are beyond the scale, and so are outlined."""
        return int((np.abs(self.sums) > self.scale.limit).sum())
