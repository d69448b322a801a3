"""What a candidate says: images that go by the pixels of a region, told by their attributions."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Maps = NDArray[np.floating]
"""Attributions to the predicted class, summed over blocks of pixels (n, gh, gw)."""


class Placed(NamedTuple):
    """Scores of images under a rule (n,), and the index of the place of each image (n,)."""

    scores: NDArray[np.float64]
    places: NDArray[np.int64]


@dataclass(frozen=True)
class Rule:
    """Images whose attribution at one of several places is above a threshold.

    A mark at one place has one place; a mark that moves has many, and each image is judged by the
    place where its attribution is furthest above what is usual there.

    Attributes:
        kind: How it was proposed: `part` of a class by a region, `moving` mark, `whole` class.
        regions: The blocks of each place (p, gh, gw), bool.
        usual: Usual sum of attributions at each place (p,), in logits.
        spread: Spread of these sums (p,), in logits.
        threshold: Least score of a member, in spreads; -inf if all images of the class are.
    """

    kind: str
    regions: NDArray[np.bool_]
    usual: NDArray[np.float64]
    spread: NDArray[np.float64]
    threshold: float

    def place(self, maps: Maps) -> Placed:
        """The score and the place of each image."""
        n_places = len(self.regions)
        sums = maps.reshape(len(maps), -1) @ self.regions.reshape(n_places, -1).T.astype(np.float64)
        scores = (sums - self.usual) / self.spread
        places = scores.argmax(axis=1)
        return Placed(scores[np.arange(len(maps)), places], places)

    def members(self, placed: Placed) -> NDArray[np.bool_]:
        """Which of these images the rule picks (n,)."""
        return np.asarray(placed.scores >= self.threshold)


@dataclass(frozen=True)
class Grid:
    """Blocks of pixels, by which attributions are summed.

    Attributes:
        height: Height of the images in pixels.
        width: Width of the images in pixels.
        side: Side of a block in pixels; blocks at the right and bottom edge may be smaller.
    """

    height: int
    width: int
    side: int

    BLOCKS = 14  # about, along the shorter side

    @classmethod
    def of(cls, size: tuple[int, int]) -> "Grid":
        """The grid of images of this height and width."""
        return cls(*size, max(1, round(min(size) / cls.BLOCKS)))

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of blocks."""
        return -(-self.height // self.side), -(-self.width // self.side)

    def sums(self, maps: NDArray[np.floating]) -> NDArray[np.float64]:
        """Sums over blocks (n, gh, gw) of maps (n, h, w)."""
        rows, columns = (np.arange(0, size, self.side) for size in (self.height, self.width))
        by_row = np.add.reduceat(maps.astype(np.float64), rows, axis=1)
        return np.asarray(np.add.reduceat(by_row, columns, axis=2))

    def pixels(self, blocks: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Pixels (..., h, w) of blocks (..., gh, gw)."""
        fine = blocks.repeat(self.side, axis=-2).repeat(self.side, axis=-1)
        return np.asarray(fine[..., : self.height, : self.width])
