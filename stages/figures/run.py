"""The results of a run as all its pictures need them."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stages.artifacts.explanation import Explanation
from stages.artifacts.features import TrainingFeatures
from stages.artifacts.measurements import Measurements
from stages.artifacts.portable import PortableNetwork
from stages.artifacts.predictions import Predictions
from stages.artifacts.shortcuts import Shortcuts
from stages.artifacts.splits import Split
from stages.drawing.board import Role
from stages.drawing.grain import block_sums, grain_choices, is_fine
from stages.drawing.scale import Scale, is_dark
from stages.drawing.text import printable
from stages.figures.displayed_maps import shown_maps
from stages.measures.attributions.headlines import headline_numbers
from stages.measures.attributions.summary import Summary, summarise
from stages.measures.attributions.tables import class_table

_NO_NETWORK = PortableNetwork(reason="the page was made without it")


@dataclass(frozen=True)
class Run:
    """An explanation with the other results and the options needed to draw it.

    Attributes:
        explanation: SHAP values of the explained test images.
        predictions: Predictions for the whole test split.
        training: The training split, source of the samples.
        colormap: One of the names in `stages.drawing.scale.COLORMAPS`.
        fade: Whether pixels within two standard errors of 0 are drawn pale.
        grain: Side in pixels of the blocks over which the pictures sum attributions.
        portable: The explained network for the explorer page, or the reason why it is missing.
        measures: Measures of the explanation; None if it was not measured.
        features: Features of training images, by which the explorer page recognises pictures that
            look unlike them; None if they were not measured.
        shortcuts: What a search for shortcuts found; None if there was none.
    """

    explanation: Explanation
    predictions: Predictions
    training: Split
    colormap: str
    fade: bool = False
    grain: int = 1
    portable: PortableNetwork = _NO_NETWORK
    measures: Measurements | None = None
    features: TrainingFeatures | None = None
    shortcuts: Shortcuts | None = None

    @cached_property
    def summary(self) -> Summary:
        """Totals over all attributions, computed in a single pass."""
        grains = (self.grain, *grain_choices(self.image_size))
        return summarise(self.explanation, tuple(dict.fromkeys(grains)))

    @cached_property
    def metrics(self) -> dict[str, float]:
        """Headline numbers of the explanation, the most important first."""
        return headline_numbers(self.explanation, self.summary, self.measures)

    @cached_property
    def class_table(self) -> pd.DataFrame:
        """A row for each class: how well it is predicted and explained."""
        return class_table(self.predictions, self.explanation, self.summary)

    @cached_property
    def scale(self) -> Scale:
        """The colour scale of all maps of the run."""
        return Scale(self.summary.limits[self.grain], self.colormap, self.grain)

    @cached_property
    def shown_maps(self) -> NDArray[np.int64]:
        """Map indices of the maps that are drawn of each image (n, s)."""
        return shown_maps(self.explanation)

    @cached_property
    def class_names(self) -> list[str]:
        """Class names with characters that the font can draw."""
        return printable(self.explanation.class_names)

    @cached_property
    def titles(self) -> list[str]:
        """Titles of the explained images with characters that the font can draw."""
        return printable(self.explanation.titles, self.explanation.indices)

    @cached_property
    def dark(self) -> bool:
        """Whether maps are drawn over the negative of their image."""
        return is_dark(self.explanation.images)

    @property
    def nouns(self) -> tuple[str, str]:
        """What one class and several classes are called: labels, if an image may have several."""
        return ("label", "labels") if self.explanation.multiple else ("class", "classes")

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width of the images in pixels."""
        height, width = self.explanation.images.shape[2:]
        return height, width

    @property
    def is_fine(self) -> bool:
        """Whether single pixels are too fine to read; such images are drawn as photographs are."""
        return is_fine(self.image_size)

    def maps(self, image_index: int, map_indices: NDArray[np.int64]) -> NDArray[np.float64]:
        """Attributions of s maps of an image, summed over channels and blocks (s, h', w')."""
        return block_sums(self.explanation.maps(image_index, map_indices), self.grain)

    def errors(
        self, image_index: int, map_indices: NDArray[np.int64]
    ) -> NDArray[np.float64] | None:
        """Standard errors of `maps` (s, h', w'); None if nothing is to be faded.

        A block gets the sum of its pixels' errors, an upper bound.
        """
        errors = self.explanation.map_errors(image_index, map_indices) if self.fade else None
        return None if errors is None else block_sums(errors, self.grain)

    def role(self, image_index: int, class_number: int) -> Role:
        """Whether a class is a predicted or a true one of an explained image."""
        if self.explanation.is_predicted[image_index, class_number]:
            return "predicted"
        return "true" if self.explanation.is_true[image_index, class_number] else "other"
