"""What a file in `stages/measures/explanations/` provides, and what its function is given."""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from stages.measures.explanations.base.maps import Maps
from stages.measures.explanations.base.removal import removal_curves
from stages.measures.explanations.base.subject import Subject
from stages.measures.explanations.base.tiles import TileGame


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One method's maps, with everything that measures share about them.

    n images, the first t of which are used in the tile game.

    Attributes:
        subject: The explained network and images.
        maps: The method's maps.
        tile_sums: Attributions of the nine tiles (t, 9).
        tile_game: The game of the tiles.
    """

    subject: Subject
    maps: Maps
    tile_sums: NDArray[np.float64]
    tile_game: TileGame

    @cached_property
    def removal_curves(self) -> NDArray[np.float64]:
        """The curves of `base/removal.py` (n, 2, 29), computed once."""
        return removal_curves(self.subject, self.maps.predicted)


class Measure(Protocol):
    """A module with these names; `HEADLINE: int` is optional.

    `HEADLINE` ranks the measures in `metrics/explain.json`. A measure without it is not in that
    file, and comes last in every table.

    Attributes:
        DESCRIPTION: What the measure means, in one sentence.
        BETTER: Which direction is better.
    """

    DESCRIPTION: str
    BETTER: Literal["higher", "lower", "neither"]

    def measure(self, measured: Measured) -> NDArray[np.floating]:
        """A number for each image (n,), or for the first images; NaN if it is undefined.

        The map of an image may be NaN. All maps are NaN for the exact Shapley values of tiles.
        """
