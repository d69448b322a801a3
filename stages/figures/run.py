"""What all pictures of a run share."""

from dataclasses import dataclass
from functools import cached_property

from stages.artifacts.explanation import Explanation
from stages.artifacts.predictions import Predictions
from stages.artifacts.splits import Split
from stages.figures.scale import Scale
from stages.summary.totals import Summary, summarise


@dataclass(frozen=True)
class Run:
    """An explanation, and what is needed to draw it.

    Attributes:
        explanation: Of some images of the test split.
        predictions: For the whole test split.
        training: The training split, of which samples are shown.
        colormap: One of the names in `stages.figures.scale.COLORMAPS`.
    """

    explanation: Explanation
    predictions: Predictions
    training: Split
    colormap: str

    @cached_property
    def summary(self) -> Summary:
        """Totals over all attributions; reads them once."""
        return summarise(self.explanation)

    @cached_property
    def scale(self) -> Scale:
        """The one colour scale of the run."""
        return Scale(self.summary.limit, self.colormap)
