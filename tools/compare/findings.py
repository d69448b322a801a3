"""What is shown of a comparison, and the summary that is printed."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from stages.figures import captions
from tools.compare.comparison import Comparison
from tools.compare.dots import Dot, draw_dots
from tools.compare.metrics import Metric, compare_metrics, mean_with_error
from tools.compare.strips import Painter, Strip, class_strips, image_strips

ON_PAGE = 200  # images, the most changed first
SIMILARITIES = ("images", "similarity", "top 5 % shared", "moved", "strength")
METRICS = ("metric", "old", "new", "change", "")
DEFINITIONS = (
    "Similarity: Pearson correlation of the two maps over the pixels, signs kept. Top 5 % "
    "shared: of the pixels with the strongest |attribution|. Moved: Σ|change| / (Σ|new| + Σ|old|). "
    "Strength: Σ|new| / Σ|old|. Each compares the maps of the class that the old version predicts. "
    "± is a standard error over the images."
)


@dataclass(frozen=True)
class Findings:
    """What the summary, the report and the page show of a comparison.

    Attributes:
        comparison: The two versions compared.
        colormap: Colours of the maps, one of `stages.drawing.scale.COLORMAPS`.
    """

    comparison: Comparison
    colormap: str

    @property
    def title(self) -> str:
        """Which versions."""
        pairs = self.comparison.pairs
        return f"Explanations: {pairs.old.name} → {pairs.new.name}"

    @cached_property
    def metrics(self) -> list[Metric]:
        """Of both versions."""
        return compare_metrics(self.comparison.pairs)

    @cached_property
    def order(self) -> NDArray[np.intp]:
        """Numbers of the images, the least alike first."""
        return np.argsort(self.comparison.pearson, kind="stable")

    @cached_property
    def images(self) -> tuple[Painter, list[Strip]]:
        """The most changed images."""
        chosen = self.order[:ON_PAGE]
        return image_strips(self.comparison.pairs, chosen, self.colormap)

    @cached_property
    def classes(self) -> tuple[Painter, list[Strip]]:
        """The class means."""
        return class_strips(self.comparison.pairs, self.colormap)

    @cached_property
    def drawing(self) -> str:
        """Every image as a dot."""
        pairs, pearson = self.comparison.pairs, self.comparison.pearson
        old, new = pairs.old.explanation, pairs.new.explanation
        names = old.class_names
        linked = set(self.order[:ON_PAGE].tolist())
        dots = []
        for number, (i, j) in enumerate(zip(pairs.old_images, pairs.new_images, strict=True)):
            says = (
                f"{new.titles[j]}: {names[old.predicted[i]]} → "
                f"{names[new.predicted[j]]}, similarity {pearson[number]:.3f}"
            )
            dots.append(Dot(pearson[number], says, f"#image-{number}" if number in linked else ""))
        rows = {
            name: [dots[number] for number in np.flatnonzero(chosen)]
            for name, chosen in self._groups.items()
        }
        return draw_dots(rows, self.comparison.anchors)

    @property
    def _groups(self) -> dict[str, NDArray[np.bool_]]:
        """Images whose prediction stayed and those whose changed, by the name of the group."""
        same = self.comparison.pairs.same_prediction
        groups = {"same prediction": same, "prediction changed": ~same}
        return {
            f"{name} ({chosen.sum():,})": chosen for name, chosen in groups.items() if chosen.any()
        }

    @property
    def similarities(self) -> list[list[str]]:
        """A row of `SIMILARITIES` for each group of images; then what there is to judge it by."""
        found = self.comparison.pairs.similarity
        measures = (found.pearson, found.overlap, found.moved, found.strength)
        rows = [
            [name, *(mean_with_error(values[chosen & np.isfinite(values)]) for values in measures)]
            for name, chosen in self._groups.items()
        ]
        judges = [
            [name, f"{value:.3f}", "", "", ""] for name, value in self.comparison.anchors.items()
        ]
        return rows + judges

    @property
    def metric_rows(self) -> list[list[str]]:
        """A row of `METRICS` for each metric."""
        return [
            [
                metric.name,
                _number(metric.old),
                _number(metric.new),
                _signed(metric.new - metric.old)
                + ("" if np.isnan(metric.error) else f" ± {metric.error:.2g}"),
                f"{metric.n_images:,} images, paired" if metric.n_images else "",
            ]
            for metric in self.metrics
        ]

    @property
    def changed(self) -> str:
        """How many pixels changed, or why that is not known."""
        pairs = self.comparison.pairs
        if pairs.changed is None:
            return (
                "Which pixels changed beyond their error is unknown: it takes the same background "
                "images, and error bars, in both versions."
            )
        if not pairs.same_prediction.any():
            return "No image kept its prediction."
        share = pairs.changed[pairs.same_prediction].mean()
        return (
            f"{100 * share:.1f} % of the pixels changed by more than three standard errors of the "
            "paired difference over the groups of the background (of images that kept their "
            "prediction)."
        )

    def text(self) -> str:
        """The summary."""
        rows = [
            f"{name:26}" + "".join(f"{value:>16}" for value in values)
            for name, *values in (SIMILARITIES, *self.similarities)
        ]
        differences = [f"  {line}" for line in self.comparison.differences]
        metrics = [
            f"{name:28}{old:>12}{new:>12}  {change}"
            for name, old, new, change, _ in (METRICS, *self.metric_rows)
        ]
        parts = [[self.comparison.sentence], differences, rows, [self.changed], metrics]
        return "\n\n".join("\n".join(map(str.rstrip, part)) for part in parts if part)

    def scale_words(self, painter: Painter) -> str:
        """The scale of some maps."""
        about, scale = self.comparison.pairs.old.explanation.about, painter.scale
        return (
            f"All maps on one scale: ±{captions.number(scale.limit)} {captions.unit(about)}, "
            f"{scale.warm} raises and {scale.cool} lowers the class's output."
        )


def _number(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.5g}".replace("-", "\N{MINUS SIGN}")


def _signed(value: float) -> str:
    if np.isnan(value):
        return "–"
    return f"{value:+.3g}".replace("-", "\N{MINUS SIGN}") if value else "0"
