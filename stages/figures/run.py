"""What all pictures of a run share."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stages.artifacts.explanation import Explanation
from stages.artifacts.measurements import Measurements
from stages.artifacts.portable import PortableNetwork
from stages.artifacts.predictions import Predictions
from stages.artifacts.splits import Split
from stages.drawing.board import Role
from stages.drawing.grain import GRAINS, block_sums
from stages.drawing.scale import Scale, is_dark
from stages.drawing.text import printable
from stages.figures.displayed_maps import shown_maps
from stages.measures.attributions.headlines import headline_numbers
from stages.measures.attributions.summary import Summary, summarise
from stages.measures.attributions.tables import class_table

_NO_NETWORK = PortableNetwork(reason="the page was made without it")
PAGE_SIDE = 64  # pixels; larger images are averaged down to at most this on the explorer page


@dataclass(frozen=True)
class Run:
    """An explanation, and what is needed to draw it.

    Attributes:
        explanation: SHAP values of the explained test images.
        predictions: For the whole test split.
        training: The training split, of which samples are shown.
        colormap: One of the names in `stages.drawing.scale.COLORMAPS`.
        fade: Whether pixels within two standard errors of 0 are drawn pale.
        grain: Side in pixels of the blocks whose attributions the pictures sum.
        portable: The network that was explained, for the explorer, or why it is not there.
        measures: Measures of the explanation; None if it was not measured.
    """

    explanation: Explanation
    predictions: Predictions
    training: Split
    colormap: str
    fade: bool = False
    grain: int = 1
    portable: PortableNetwork = _NO_NETWORK
    measures: Measurements | None = None

    @cached_property
    def summary(self) -> Summary:
        """Totals over all attributions; reads them once."""
        grains = (self.grain, 1, *(grain * self.page_downsampling_factor for grain in GRAINS[1:]))
        return summarise(self.explanation, tuple(dict.fromkeys(grains)))

    @cached_property
    def metrics(self) -> dict[str, float]:
        """The headline numbers of the explanation, the most important first."""
        return headline_numbers(self.explanation, self.summary, self.measures)

    @cached_property
    def class_table(self) -> pd.DataFrame:
        """How well each class is predicted and explained."""
        return class_table(self.predictions, self.explanation, self.summary)

    @cached_property
    def scale(self) -> Scale:
        """The one colour scale of the run."""
        return Scale(self.summary.limits[self.grain], self.colormap, self.grain)

    @cached_property
    def shown(self) -> NDArray[np.int64]:
        """Which maps of each image are drawn, as positions among them (n, s)."""
        return shown_maps(self.explanation)

    @cached_property
    def class_names(self) -> list[str]:
        """Names of the classes as the font can draw them."""
        return printable(self.explanation.class_names)

    @cached_property
    def titles(self) -> list[str]:
        """What to call each explained image, as the font can draw it."""
        return printable(self.explanation.titles, self.explanation.indices)

    @cached_property
    def dark(self) -> bool:
        """Whether maps lie on the negative of their image."""
        return is_dark(self.explanation.images)

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width of the images in pixels."""
        height, width = self.explanation.images.shape[2:]
        return height, width

    @property
    def page_downsampling_factor(self) -> int:
        """Side in pixels of the squares that the explorer page averages, 1 for none."""
        return -(-max(self.image_size) // PAGE_SIDE)

    def maps(self, image: int, places: NDArray[np.int64]) -> NDArray[np.float64]:
        """Some of an image's maps, attributions summed over channels and blocks (s, h', w')."""
        return block_sums(self.explanation.maps(image, places), self.grain)

    def errors(self, image: int, places: NDArray[np.int64]) -> NDArray[np.float64] | None:
        """Standard errors (s, h', w') by which an image's maps are faded; None to fade nothing.

        That of a sum is taken to be the sum, which it is at most.
        """
        errors = self.explanation.map_errors(image, places) if self.fade else None
        return None if errors is None else block_sums(errors, self.grain)

    def role(self, image: int, number: int) -> Role:
        """What a class is to an explained image."""
        if number == self.explanation.predicted[image]:
            return "predicted"
        return "true" if number == self.explanation.labels[image] else "other"
